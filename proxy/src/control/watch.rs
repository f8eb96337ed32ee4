//! Notices that a file of the configuration has changed, those that it includes among them.
//!
//! Looks at them once a second instead of asking the kernel for events: that works wherever a file can stand (network file
//! systems, bind mounts, the symbolic links that Kubernetes swaps), and editors that write a new file and rename it are no
//! special case. A file counts as changed once it has stayed the same for one look: nobody reads half of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::reload::Reloader;

/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What a file looks like from outside; `None` while there is none.
type Look = Option<(u64, u64, i64, i64)>;

/// Reloads whenever a file has changed, for ever.
pub(super) async fn changes(reloader: &Reloader) {
    let mut beat = interval(LOOK);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut loaded = looks(&reloader.files());
    let mut before = loaded.clone();
    loop {
        beat.tick().await;
        let now = looks(&reloader.files());
        if now != loaded && now == before {
            reloader.reload_and_say("the file has changed").await;
            loaded = looks(&reloader.files()); // there may be others now
        }
        before = now;
    }
}

fn looks(files: &[PathBuf]) -> Vec<Look> {
    files.iter().map(|file| look(file)).collect()
}

/// Follows symbolic links. A stat is quick enough for the loop, unless the file system hangs: then so does the control plane
/// alone.
fn look(path: &Path) -> Look {
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}
