//! The bounds of the gateway's own tables and buffers; those of the protocol are in `ringgate_core::limits`.

use std::time::Duration;

/// Room a client's connection starts with: an armed receive pins it, idle or not. It doubles for a client whose heads need
/// more, which costs that connection a system call each time, and stays so.
pub(crate) const CLIENT_BUFFER_BYTES: usize = 512;
/// A request body that has come already is received behind its head if all of it is no larger: it then goes up in one send.
pub(crate) const WHOLE_BODY_BYTES: u64 = 8 * 1024;
/// Room a connection to a server starts with: a head and a small body in one receive.
pub(crate) const UPSTREAM_BUFFER_BYTES: usize = 4 * 1024;
/// Room for what a fast sender of a body has sent already: fewer, larger receives and sends. Lent while it is passed on, never
/// while more is awaited.
pub(crate) const BODY_BUFFER_BYTES: usize = 128 * 1024;
/// A buffer larger than this is given back before its connection idles.
pub(crate) const KEPT_BUFFER_BYTES: usize = 16 * 1024;
/// Spare things of a kind that a worker keeps. Requests borrow them for a step, not across a wait, but for those whose client or
/// server is slow to take what it is sent.
pub(crate) const SPARES: usize = 16;
/// How often idle connections to servers are looked over while there are any: one lives that much too long at most, and a
/// drain waits that long for the task to end.
pub(crate) const SWEEP: Duration = Duration::from_millis(100);
/// How long a request waits for a place among the connections to its last server: other workers let idle ones go within a
/// sweep.
pub(crate) const PLACE_WAIT: Duration = Duration::from_millis(SWEEP.as_millis() as u64 + 50);
/// Bytes of a request read and thrown away so that an answer given early is not destroyed by a reset: what may be under
/// way on a fast path.
pub(crate) const DISCARDED_BYTES: usize = 8 * 1024 * 1024;
/// Time for the rest of a request that is thrown away; for a client that has been answered, time without a byte.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
/// Time in all for a client that has been answered.
pub(crate) const LINGER_IN_ALL: Duration = Duration::from_secs(5);
/// How long a client may take to make room for a refusal, which fits into any socket buffer that is not full already.
pub(crate) const REFUSAL: Duration = Duration::from_secs(5);
/// How many connections more than the least loaded worker one may have before it passes new ones on. Below that the cost of
/// moving one outweighs what it evens out.
pub(crate) const IMBALANCE: usize = 4;
/// Connections on their way to one worker; beyond it they stay where they were accepted.
pub(crate) const PARCELS: usize = 1024;
/// Idle connections a worker ends per pause when there is no room for new ones, at most (nginx ends 32).
pub(crate) const EVICTED: usize = 32;
/// And no more than one in so many of those that there may be.
pub(crate) const EVICTED_SHARE: usize = 8;
/// Requests whose spans wait for their export: what a busy gateway records in half a second, at most some 16 MB.
pub(crate) const TRACED_REQUESTS: usize = 16 * 1024;
/// Bytes of verified tokens that a worker remembers, in two halves: some 4,000 of the usual size in each. Verifying one takes 20 to
/// 100 microseconds, finding it 0.2.
pub(crate) const TOKEN_CACHE_BYTES: usize = 16 * 1024 * 1024;
/// The same of what passwords and services have said, which are remembered by digests of 32 bytes.
pub(crate) const VERDICT_CACHE_BYTES: usize = 4 * 1024 * 1024;
/// Requests of one worker that wait at the gate, for keys, passwords or a service: each holds a connection and its buffer.
pub(crate) const WAITING_AT_GATE: usize = 256;
/// How long a request waits for keys that its token names and that are being fetched.
pub(crate) const KEYS_WAIT: Duration = Duration::from_millis(250);
/// How long a request waits for its password to be checked: a queue that is full takes some seconds.
pub(crate) const PASSWORD_WAIT: Duration = Duration::from_secs(5);
/// How long it is remembered that a password was right, or wrong: a reload forgets it sooner.
pub(crate) const PASSWORD_LIFE: Duration = Duration::from_secs(60);
/// Passwords that wait for the one thread that checks them, at some ten milliseconds each.
pub(crate) const PASSWORDS_WAITING: usize = 64;
/// Descriptors that are nobody's connection: standard streams, signals, log, control plane. Measured: 18. The others are for who
/// asks the admin API (32 at each door), for questions to the DNS, a collector, and files that are read.
pub(crate) const OWN_DESCRIPTORS: u64 = 96;
/// Descriptors of a worker that are nobody's connection: ring, timer, listener with the copy that is handed on, wakers. Measured: 8.
pub(crate) const WORKER_DESCRIPTORS: u64 = 8;
/// After a drain has given up: time for answers to break off in a reset before connections are simply ended.
pub(crate) const BREAK_OFF: Duration = Duration::from_millis(100);
/// Connections accepted before anybody else gets a turn.
pub(crate) const ACCEPT_BATCH: usize = 64;
/// Batches taken from a listener before it is closed: as many connections as its queue holds (4096). Who comes later, faster
/// than they are accepted, must not keep a drain from beginning.
pub(crate) const LAST_BATCHES: usize = 4096 / ACCEPT_BATCH;
/// Pause when descriptors, or places, have run out: time for some connection to end.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection that was accepted and has asked nothing yet is let be, by a drain and where there is no room: who has just connected asks soon,
/// and takes an end before the first answer for a failure.
pub(crate) const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// Bytes of log lines a worker collects before it hands them over; it does so every tick anyway.
pub(crate) const LOG_BATCH_BYTES: usize = 64 * 1024;
/// Batches of each worker on their way to the log writer; when it is that far behind, lines are dropped and counted.
pub(crate) const LOG_BATCHES: usize = 64;
/// How long the log writer may take for what is left when the workers have ended; a reader that is alive is faster.
pub(crate) const LAST_LOG_LINES: Duration = Duration::from_secs(1);
