use super::*;
use crate::plan::draw::Draw;
use crate::{Expect, Profile, Rung, Schedule, Spacing};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
const REQUEST: &str = "\n[[requests]]\nurl = \"http://h/\"\n";

/// What a file says, or the message about it.
fn parse(text: &str) -> Result<Plan, String> {
    let scenario = Scenario::parse(text, Path::new(EXAMPLES));
    let scenario = scenario.map_err(|problem| problem.show("mix.toml", text).to_string())?;
    scenario.plan().map_err(|error| error.to_string())
}

fn bytes(target: &Target, number: u64) -> String {
    let mut bytes = Vec::new();
    target.render(false).render(Draw { seed: 1, number }, &mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_shortest_scenario_is_a_request() {
    let plan = parse(REQUEST).unwrap();
    assert_eq!((plan.load, plan.duration), (Load::Closed { requests: None }, Duration::from_secs(10)));
    assert_eq!((plan.connections, plan.close, plan.requests_per_connection), (64, false, None));
}

#[test]
fn the_example_has_every_key_and_means_what_it_says() {
    let plan = Scenario::read(&Path::new(EXAMPLES).join("mix.toml")).unwrap().plan().unwrap();
    let ramp = Profile::ramp(100, 300, Duration::from_secs(2)).unwrap();
    assert_eq!(plan.load, Load::Open { schedule: Schedule::new(ramp, Spacing::Poisson) });
    assert_eq!((plan.warmup, plan.timeout), (Duration::from_millis(200), Duration::from_secs(5)));
    assert_eq!((plan.connections, plan.queue, plan.seed, plan.assertions.len()), (8, 10_000, 1, 1));
    assert_eq!(plan.requests_per_connection, NonZeroU64::new(100));
    let names: Vec<_> = plan.targets.iter().map(|target| (target.known_as(), target.weight())).collect();
    assert_eq!(names, [(Some("item"), 8), (Some("order"), 2), (Some("health"), 1)]);
    assert!(bytes(&plan.targets[0], 0).contains("accept: application/json\r\n"));
    let order = bytes(&plan.targets[1], 0);
    assert!(order.starts_with("POST /orders HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n"), "{order}");
    assert!(order.contains("authorization: Bearer example-token-of-alice\r\n"), "{order}");
    assert!(order.ends_with("\r\n\r\n{\"item\": 7, \"count\": 1}\n"), "{order}");
    assert_eq!(plan.targets[2].expect(), Some(&"200".parse::<Expect>().unwrap().body_bytes(2)));
    let text = std::fs::read_to_string(Path::new(EXAMPLES).join("mix.toml")).unwrap();
    for key in ["rate", "steps", "sine", "trace", "request_count", "pin", "driver"] {
        assert!(text.contains(&format!("\n# {key} = ")), "{key}");
    }
}

#[test]
fn what_is_said_on_the_command_line_is_said_in_a_file_too() {
    let head = "steps = '1x1s,2x1s'\narrivals = 'gamma:4'\nthreads = 2\npin = [0, 1]\ndriver = 'epoll'\ndrain = '2s'\n\
                lateness_limit = '3ms'\nexpect = { status = [] }\n";
    let plan = parse(&format!("{}{REQUEST}", head.replace("expect = { status = [] }\n", ""))).unwrap();
    assert_eq!((plan.duration, plan.threads, plan.cores), (Duration::from_secs(2), 2, vec![0, 1]));
    assert_eq!((plan.driver, plan.drain), (Some(Rung::Epoll), Duration::from_secs(2)));
    assert_eq!(plan.load.to_string(), "open loop at 1, 2 requests/s in steps, gamma:4 arrivals");
    assert!(parse(&format!("{head}{REQUEST}")).unwrap_err().contains("write a status"));
    let plan = parse(&format!("request_count = 7\n[connection]\nclose = true\n{REQUEST}")).unwrap();
    assert_eq!((plan.load, plan.close), (Load::Closed { requests: Some(7) }, true));
}

#[test]
fn everything_can_be_sent_to_another_server() {
    let text = format!("server = 'h:1'\n[[requests]]\nurl = '/a?b'\n{REQUEST}");
    let mut scenario = Scenario::parse(&text, Path::new(".")).unwrap();
    scenario.aim("[::1]:8080").unwrap();
    let urls: Vec<String> = scenario.rest.targets.iter().map(Target::url).collect();
    assert_eq!(urls, ["http://[::1]:8080/a?b", "http://[::1]:8080/"]);
    assert!(scenario.aim("http://h/").is_err() && scenario.aim("h:0").is_err());
}

#[test]
fn mistakes_are_named_with_their_line_and_what_to_do() {
    let request = |rest: &str| format!("{REQUEST}{rest}");
    for (text, line, advice) in [
        ("conections = 5\n".to_owned() + REQUEST, 1, "did you mean `connections`?"),
        (request("wieght = 5\n"), 4, "did you mean `weight`?"),
        (request("expect = { stauts = 200 }\n"), 4, "did you mean `status`?"),
        ("[connection]\nclose = 'yes'\n".to_owned() + REQUEST, 2, "expected a boolean"),
        ("duration = 10\n".to_owned() + REQUEST, 1, "stand in quotes"),
        ("duration = '10'\n".to_owned() + REQUEST, 1, "such as 1.5s"),
        ("rate = 0\n".to_owned() + REQUEST, 1, "between 1"),
        ("rate = -1\n".to_owned() + REQUEST, 1, "-1"),
        ("seed = 2\nrate = 1\nramp = '1..2'\n".to_owned() + REQUEST, 3, "keep one of them"),
        ("ramp = '1-2'\n".to_owned() + REQUEST, 1, "FROM..TO"),
        ("arrivals = 'uniform'\n".to_owned() + REQUEST, 1, "poisson"),
        ("assert = ['p99']\n".to_owned() + REQUEST, 1, "no < or >"),
        ("seed = \n".to_owned() + REQUEST, 1, "not TOML"),
        ("seed = 1\n".to_owned(), 1, "no requests"),
        ("[[requests]]\nname = 'x'\n".to_owned(), 1, "no `url`"),
        ("[[requests]]\nurl = '/x'\n".to_owned(), 2, "names no server"),
        ("[[requests]]\nurl = 'https://h/'\n".to_owned(), 2, "https is not supported"),
        ("[[requests]]\nurl = 'http://h/{1..}'\n".to_owned(), 2, "{0..999}"),
        (request("weight = 0\n"), 4, "from 1 on"),
        (request("method = 'GE T'\n"), 4, "POST"),
        (request("headers = { 'a b' = 'c' }\n"), 4, "invalid"),
        (request("body = 'x'\nbody_bytes = 5\n"), 4, "leave out all but one"),
        (request("body_file = 'missing.json'\n"), 4, "missing.json"),
        (request("body_bytes = 1073741825\n"), 4, "1 GiB"),
        (request("token_env = 'RINGLOAD_NO_SUCH_VARIABLE'\n"), 4, "export RINGLOAD_NO_SUCH_VARIABLE"),
        (request("token_env = 'A'\ntoken_file = 'b'\n"), 4, "leave out all but one"),
        (request("expect = { body_hash = 'abc' }\n"), 4, "16 hexadecimal digits"),
        (request("expect = { body_file = 'order.json', body_bytes = 3 }\n"), 4, "leave out `body_bytes`"),
        ("[connection]\nrequests_per_connection = 0\n".to_owned() + REQUEST, 2, "at least one"),
    ] {
        let message = parse(&text).unwrap_err();
        assert!(message.contains(&format!("mix.toml:{line}:")), "{text}\n{message}");
        assert!(message.contains(advice), "{text}\n{message}");
    }
}

#[test]
fn a_token_that_cannot_be_sent_is_not_repeated() {
    let message = parse(&format!("{REQUEST}token_file = 'order.json'\n")).unwrap_err();
    assert!(message.contains("token 1") && !message.contains("item"), "{message}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let error = Scenario::read(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.contains("no/such.toml") && error.contains("give a file that exists"), "{error}");
    assert!(Scenario::read(Path::new("/dev/zero")).is_err(), "a file without an end is not read to it");
}
