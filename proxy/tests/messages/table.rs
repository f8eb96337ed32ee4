//! The table of messages: each thing that `ringgate check` can say, with the files that make it say so.
//!
//! The cases are text (`*.md` beside this file), played on the program itself, so that names of files, variables and the
//! exit code are those that a person meets.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::Folder;

/// Messages that no file of a few lines brings about, and where they are shown instead.
const ELSEWHERE: [(&str, &str); 7] = [
    ("include-without-file", "of a text that is no file: `a_text_that_is_no_file_includes_none`"),
    ("not-utf8", "of bytes that a table of text cannot hold: `a_file_that_cannot_be_read_says_what_to_do`"),
    ("too-many-files", "of a thousand files: `a_configuration_includes_a_bounded_number_of_files`"),
    ("unbounded-variables", "of a variable of a megabyte: `environment::tests`"),
    ("unreadable-folder", "of a user who may not read it, which the one who runs tests may be"),
    ("unusable-table", "of a defect in the router"),
    ("variable-not-utf8", "of bytes that a table of text cannot hold: `a_variable_of_bytes_is_no_text`"),
];

/// A case: files, variables, and what is said about them.
#[derive(Default)]
struct Case {
    name: String,
    /// Names and contents.
    files: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    message: String,
}

impl Case {
    /// From the text behind its heading.
    fn read(text: &str) -> Case {
        let (name, rest) = text.split_once('\n').unwrap();
        let mut case = Case { name: name.to_owned(), ..Case::default() };
        let mut blocks = rest.split("```");
        while let Some(block) = blocks.nth(1) {
            let (head, content) = block.split_once('\n').unwrap();
            let content = content.strip_suffix('\n').unwrap_or(content).to_owned();
            match head.split_once(' ') {
                Some(("toml", file)) => case.files.push((file.to_owned(), content)),
                None if head == "env" => {
                    let pairs = content.lines().filter_map(|line| line.split_once('='));
                    case.variables.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
                }
                None if head == "text" => case.message = content,
                _ => panic!("{name}: a block of {head}"),
            }
        }
        case
    }

    fn write(&self) -> String {
        let files = self.files.iter().map(|(file, content)| block(&format!("toml {file}"), content));
        let variables: Vec<String> =
            self.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let variables = (!variables.is_empty()).then(|| block("env", &variables.join("\n")));
        let parts: String = files.chain(variables).chain([block("text", &self.message)]).collect();
        format!("## {}\n\n{parts}", self.name)
    }

    /// What the program says about these files, and whether they can be run.
    fn play(&self, folder: &Path) -> (String, bool) {
        for (file, content) in &self.files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        let output = Command::new(env!("CARGO_BIN_EXE_ringgate"))
            .args(["check", "-c", "ringgate.toml"])
            .env_clear()
            .envs(variables)
            .current_dir(folder)
            .output()
            .unwrap();
        (String::from_utf8(output.stderr).unwrap().trim_end().to_owned(), output.status.success())
    }
}

fn block(head: &str, content: &str) -> String {
    let end = if content.is_empty() { "" } else { "\n" };
    format!("```{head}\n{content}{end}```\n\n")
}

/// Line by line; `[..]` stands for what the system says.
fn fits(message: &str, expected: &str) -> bool {
    let line = |(line, expected): (&str, &str)| match expected.split_once("[..]") {
        Some((start, end)) => line.starts_with(start) && line.ends_with(end),
        None => line == expected,
    };
    message.lines().count() == expected.lines().count() && message.lines().zip(expected.lines()).all(line)
}

/// The codes of all that is said in a message.
fn codes(message: &str) -> impl Iterator<Item = &str> {
    let heads = message.lines().filter(|line| line.starts_with("error[") || line.starts_with("warning["));
    heads.filter_map(|line| line.split_once('[')?.1.split_once(']')).map(|(code, _)| code)
}

#[test]
fn every_message_is_in_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let is_blessed = std::env::var_os("RINGGATE_BLESS").is_some();
    let (mut said, mut wrong) = (BTreeSet::new(), Vec::new());
    for chapter in ["files", "settings", "routes", "policies", "lints"] {
        let path = folder.join(format!("{chapter}.md"));
        let text = std::fs::read_to_string(&path).unwrap();
        let (intro, cases) = text.split_once("\n## ").unwrap();
        let mut blessed = format!("{intro}\n");
        for (index, text) in cases.split("\n## ").enumerate() {
            let mut case = Case::read(text);
            let folder = Folder::new(&format!("message-{chapter}-{index}"));
            let (message, can_run) = case.play(&folder.0);
            said.extend(codes(&message).map(str::to_owned));
            assert_eq!(can_run, !message.starts_with("error"), "{}: {message}", case.name);
            if !fits(&message, &case.message) {
                wrong.push(format!("{chapter}: {}\n{message}\ninstead of\n{}", case.name, case.message));
                case.message = message;
            }
            blessed.push_str(&case.write());
        }
        if is_blessed {
            std::fs::write(&path, blessed.trim_end().to_owned() + "\n").unwrap();
        }
    }
    assert!(is_blessed || wrong.is_empty(), "{}", wrong.join("\n\n"));
    let elsewhere = ELSEWHERE.map(|(code, _)| code);
    let all = ringgate::config::messages();
    let missing: Vec<&&str> =
        all.iter().filter(|code| !said.contains(**code) && !elsewhere.contains(code)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    let twice: Vec<&&str> = elsewhere.iter().filter(|code| said.contains(**code)).collect();
    assert!(twice.is_empty(), "in the table and among those that are not: {twice:?}");
}

/// Messages about the shape of a file: what an editor can know.
const SHAPE: [&str; 10] = [
    "misplaced-key",
    "no-path",
    "no-servers",
    "no-methods",
    "empty-pool",
    "pool-and-servers",
    "pool-without-servers",
    "prefix-and-path",
    "unknown-key",
    "wrong-type",
];

/// Editors are told by the schema what the gateway says itself.
#[test]
fn the_schema_takes_what_can_be_run_and_refuses_other_shapes() {
    let schema = jsonschema::draft7::new(&ringgate::config::schema()).unwrap();
    let value = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).ok()?).ok();
    for text in [super::DEMO, super::SMALLEST] {
        assert!(schema.is_valid(&value(text).unwrap()), "{text}");
    }
    let (mut taken, mut refused) = (0, 0);
    for chapter in ["files", "settings", "routes", "policies", "lints"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/messages/{chapter}.md"));
        let text = std::fs::read_to_string(path).unwrap();
        for case in text.split("\n## ").skip(1).map(Case::read) {
            let main = case.files.iter().find(|(name, _)| name == "ringgate.toml");
            let is_included = case.message.contains("--> routes/");
            let Some(value) = main.and_then(|(_, text)| value(text)).filter(|_| !is_included) else {
                continue;
            };
            let can_run = !case.message.starts_with("error");
            let is_shape = codes(&case.message).any(|code| SHAPE.contains(&code));
            taken += usize::from(can_run);
            refused += usize::from(is_shape);
            assert!(!can_run || schema.is_valid(&value), "{}: can be run", case.name);
            assert!(!is_shape || !schema.is_valid(&value), "{}: has another shape", case.name);
        }
    }
    assert!(taken > 10 && refused > 14, "{taken} and {refused}");
}

/// Texts of cases that messages say whatever stands in the file.
const EXAMPLES: [&str; 9] = [
    "10.0.0.0/8",
    "127.0.0.1",
    "127.0.0.1:3000",
    ":8080",
    "/api/*",
    "POSTS",
    "example.com",
    "path-parameter",
    "uring",
];

/// Whoever takes a text of a case from the environment is told what was wrong without being shown it.
#[test]
fn no_message_shows_what_came_from_the_environment() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let (mut checked, mut shown) = (0, Vec::new());
    for chapter in ["settings", "routes", "policies", "lints"] {
        let text = std::fs::read_to_string(folder.join(format!("{chapter}.md"))).unwrap();
        for (index, text) in text.split("\n## ").skip(1).enumerate() {
            let mut case = Case::read(text);
            let secrets = from_environment(&mut case);
            let folder = Folder::new(&format!("secret-{chapter}-{index}"));
            let (message, _) = case.play(&folder.0);
            for secret in secrets.iter().filter(|secret| secret.len() > 3 && !EXAMPLES.contains(&&***secret))
            {
                checked += 1;
                if message.contains(&**secret) {
                    shown.push(format!("{}: {secret}\n{message}", case.name));
                }
            }
        }
    }
    assert!(shown.is_empty(), "{}", shown.join("\n\n"));
    assert!(checked > 30, "the cases hold texts: {checked}");
}

/// Brings the texts of a case that are values into variables, and returns what they hold.
fn from_environment(case: &mut Case) -> Vec<String> {
    let mut secrets = Vec::new();
    for (_, content) in &mut case.files {
        let mut parts: Vec<String> = content.split('"').map(str::to_owned).collect();
        for index in (1..parts.len()).step_by(2) {
            let is_key = parts.get(index + 1).is_some_and(|next| {
                next.trim_start().starts_with(['=', ']']) && !parts[index - 1].ends_with('[')
            });
            if !is_key && !parts[index].is_empty() {
                let secret = std::mem::replace(&mut parts[index], format!("${{SECRET{}}}", secrets.len()));
                case.variables.push((format!("SECRET{}", secrets.len()), secret.clone()));
                secrets.push(secret);
            }
        }
        *content = parts.join("\"");
    }
    secrets
}
