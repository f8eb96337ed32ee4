//! What TCP lets be observed: the same scenes on the running kernel and in the simulation, in the words of each side.

use std::io::IoSlice;

use ringgate_io::sim::{self, Faults};
use ringgate_io::{Listener, Rung, Side, Stream, bind, sleep};

use super::{MILLISECOND, pair, receive, server};

async fn tell(stream: &Stream) -> String {
    match receive(stream).await {
        Ok(bytes) if bytes.is_empty() => "end".into(),
        Ok(bytes) => String::from_utf8(bytes).unwrap(),
        Err(error) => error.kind().to_string(),
    }
}

fn tell_send(stream: &Stream) -> String {
    let sent = stream.try_send(&[IoSlice::new(b"y")]);
    sent.map_or_else(|error| error.kind().to_string(), |count| format!("sent {count}"))
}

/// Lets what was sent arrive. Much of it cannot be awaited without changing what is observed afterwards.
async fn settle() {
    sleep(5 * MILLISECOND).await;
}

async fn send(stream: &Stream, text: &str) {
    stream.send(text.as_bytes()).await.unwrap();
    settle().await;
}

async fn finish(stream: Stream) {
    drop(stream);
    settle().await;
}

async fn scene_receiving_side_shut(a: Stream, b: Stream) -> Vec<String> {
    send(&b, "early").await;
    a.shutdown(Side::Receive);
    let quiet = a.is_quiet().to_string();
    let before = [tell(&a).await, tell(&a).await];
    send(&b, "late").await;
    let after = [tell(&a).await, tell(&a).await, tell_send(&a)];
    [vec![quiet], before.to_vec(), after.to_vec()].concat()
}

async fn scene_both_sides_shut(a: Stream, b: Stream) -> Vec<String> {
    a.shutdown(Side::Both);
    settle().await;
    let mut seen = vec![tell(&a).await, tell_send(&a), tell(&b).await, tell_send(&b)];
    settle().await;
    seen.extend([tell_send(&b), tell(&b).await, tell(&a).await, tell(&a).await, tell_send(&a)]);
    seen
}

async fn scene_sending_side_shut(a: Stream, b: Stream) -> Vec<String> {
    a.shutdown(Side::Send);
    settle().await;
    let seen = vec![b.is_quiet().to_string(), b.is_reset().to_string(), tell(&b).await];
    send(&b, "answer").await;
    [seen, vec![tell(&a).await, tell_send(&a), a.is_quiet().to_string()]].concat()
}

async fn scene_clean_close(a: Stream, b: Stream) -> Vec<String> {
    send(&b, "last").await;
    finish(b).await;
    let mut seen = vec![a.is_reset().to_string(), tell_send(&a)];
    settle().await;
    seen.extend([
        a.is_reset().to_string(),
        tell(&a).await,
        tell(&a).await,
        tell_send(&a),
        tell(&a).await,
        a.peer().is_ok().to_string(),
    ]);
    seen
}

async fn scene_close_with_unread_bytes(a: Stream, b: Stream) -> Vec<String> {
    send(&a, "unread").await;
    send(&b, "answer").await;
    finish(b).await;
    vec![tell(&a).await, tell(&a).await, tell(&a).await, tell_send(&a), a.peer().is_ok().to_string()]
}

async fn scene_reset(a: Stream, b: Stream) -> Vec<String> {
    b.reset_on_close();
    let before = a.is_reset();
    finish(b).await;
    let after = a.is_reset();
    assert!(!before && after);
    vec![tell_send(&a), tell_send(&a), tell(&a).await, a.is_quiet().to_string()]
}

async fn scene_reset_after_end(a: Stream, b: Stream) -> Vec<String> {
    b.shutdown(Side::Send);
    settle().await;
    b.reset_on_close();
    finish(b).await;
    vec![tell(&a).await, tell(&a).await, tell_send(&a)]
}

async fn scene_reset_after_both_ends(a: Stream, b: Stream) -> Vec<String> {
    b.shutdown(Side::Send);
    a.shutdown(Side::Send);
    settle().await;
    b.reset_on_close();
    finish(b).await;
    vec![tell(&a).await, tell_send(&a)]
}

async fn scenes(listener: Listener) -> Vec<Vec<String>> {
    let mut seen = Vec::new();
    macro_rules! play {
        ($($scene:ident)*) => {$({
            let (a, b) = pair(&listener).await;
            seen.push([vec![stringify!($scene).to_string(), a.is_quiet().to_string()], $scene(a, b).await].concat());
        })*};
    }
    play!(scene_receiving_side_shut scene_both_sides_shut scene_sending_side_shut scene_clean_close);
    play!(scene_close_with_unread_bytes scene_reset scene_reset_after_end scene_reset_after_both_ends);
    let waiting = Stream::connect(listener.local_addr().unwrap()).await.unwrap();
    drop(listener);
    settle().await;
    seen.push(vec![tell(&waiting).await, tell(&waiting).await]);
    seen
}

#[test]
fn the_simulation_agrees_with_the_kernel() {
    let (rung, _) = Rung::best().unwrap();
    let kernel = ringgate_io::run(rung, || async {
        let listener = bind("127.0.0.1:0".parse().unwrap(), &[], false).unwrap();
        scenes(Listener::from_std(listener).unwrap()).await
    });
    let kernel = kernel.unwrap();
    for seed in 0..8 {
        let simulated =
            sim::run(seed, Faults::none(), || async { scenes(sim::listen(server())).await }).output;
        assert_eq!(simulated, kernel, "seed {seed}");
    }
}
