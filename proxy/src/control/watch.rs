//! Notices that a file of the configuration has changed, those that it includes among them, and those that it would include by now.
//!
//! Looks at them once a second instead of asking the kernel for events: that works wherever a file can stand (network file
//! systems, bind mounts, the symbolic links that Kubernetes swaps), and editors that write a new file and rename it are no
//! special case. A file counts as changed once it has stayed the same for one look: nobody reads half of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::aside::Aside;
use super::reload::Reloader;
use crate::config::Looks;

/// How often they are looked at.
const BEAT: Duration = Duration::from_secs(1);
/// How long that may take; a file system that hangs keeps only those waiting who ask it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reloads whenever a file has changed, for ever.
pub(super) async fn changes(reloader: &Arc<Reloader>) {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (looking, mut before) = (Aside::default(), Looks::default());
    loop {
        beat.tick().await;
        let files = reloader.files();
        let read = files.read().clone();
        let Ok(now) = looking.run(PATIENCE, move || files.look()).await else { continue };
        if now != read && now == before && *reloader.files().read() == read {
            reloader.reload_and_say("the file has changed").await;
        }
        before = now;
    }
}
