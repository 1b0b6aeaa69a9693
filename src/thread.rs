//! Layer 0: named threads, and the stop token that ends them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::event::{PollFd, PollFlags, poll};
use tracing::dispatcher::{self, Dispatch};
use tracing::subscriber::NoSubscriber;

/// Stop token, which ends every thread. Clones share it; once set, it stays set.
///
/// Beside the flag it holds a descriptor that becomes readable and a channel that closes, so that a
/// thread can wait for either together with descriptors or channels of its own.
#[derive(Debug, Clone)]
pub struct Stop(Arc<StopState>);

#[derive(Debug)]
struct StopState {
    flag: AtomicBool,
    wakes: OwnedFd,
    trigger: OwnedFd,
    /// Dropped when the token is set.
    open: Mutex<Option<Sender<()>>>,
    closed: Receiver<()>,
}

impl Stop {
    /// Creates a token that is not set.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        let (wakes, trigger) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let (open, closed) = bounded(0);
        let open = Mutex::new(Some(open));
        Ok(Self(Arc::new(StopState { flag: AtomicBool::new(false), wakes, trigger, open, closed })))
    }

    /// Sets the token and wakes every waiter.
    pub fn set(&self) {
        if !self.0.flag.swap(true, Ordering::SeqCst) {
            // The byte is never read: the descriptor stays readable for all waiters.
            // A pipe that holds nothing takes one byte without blocking.
            let _ = rustix::io::write(&self.0.trigger, &[1]);
            self.0.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }

    /// Returns true if the token is set.
    pub fn is_set(&self) -> bool {
        self.0.flag.load(Ordering::SeqCst)
    }

    /// Channel that carries nothing and closes when the token is set.
    pub fn channel(&self) -> Receiver<()> {
        self.0.closed.clone()
    }

    /// Sleeps for `timeout`, or until the token is set. Returns true if it is set.
    pub fn wait(&self, timeout: Duration) -> bool {
        let _ = poll_until(&mut [PollFd::new(&self.0.wakes, PollFlags::IN)], timeout);
        self.is_set()
    }

    /// Waits until `descriptor` can be read: `Some(true)` when it can, `Some(false)` after
    /// `timeout`, `None` when the token is set.
    ///
    /// # Errors
    /// `poll(2)` fails.
    pub fn wait_readable(&self, descriptor: BorrowedFd<'_>, timeout: Duration) -> io::Result<Option<bool>> {
        let mut set =
            [PollFd::new(&self.0.wakes, PollFlags::IN), PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
        poll_until(&mut set, timeout)?;
        if self.is_set() {
            return Ok(None);
        }
        // Hang-up and error count as readable: the read that follows says which.
        Ok(Some(!set[1].revents().is_empty()))
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wakes.as_fd()
    }
}

/// `poll(2)` that continues after an interrupting signal until `timeout` has passed.
fn poll_until(set: &mut [PollFd<'_>], timeout: Duration) -> io::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let spec = rustix::event::Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()) as _,
        };
        match poll(set, Some(&spec)) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}

/// Calls `work` without log messages of this thread, and of threads that it starts meanwhile.
pub fn silently<T>(work: impl FnOnce() -> T) -> T {
    dispatcher::with_default(&Dispatch::none(), work)
}

/// Starts a thread with a name for `top -H` and panics. Linux keeps 15 bytes of it. A thread that
/// is started within [`silently`] is silent as well.
///
/// # Errors
/// The system refuses another thread.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let is_silent = dispatcher::get_default(|current| current.is::<NoSubscriber>());
    let body = move || if is_silent { silently(body) } else { body() };
    Builder::new().name(name.chars().take(15).collect()).spawn(body)
}

/// Joins `handle` if it ends by `deadline`. Returns `None` if it still runs then (it is left
/// behind) or has panicked.
pub fn join_by<T>(handle: JoinHandle<T>, deadline: Instant) -> Option<T> {
    while !handle.is_finished() {
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    handle.join().ok()
}

/// Lowers the priority of the calling thread: its nice value becomes 5.
pub fn step_back() {
    set_nice(5);
}

/// Lowers the priority of the calling thread below that of [`step_back`]: its nice value becomes
/// 10.
pub fn step_far_back() {
    set_nice(10);
}

fn set_nice(nice: i32) {
    // Linux keeps the value per thread; 0 means the calling one.
    if let Err(error) = rustix::process::setpriority_process(None, nice) {
        tracing::debug!(%error, "a thread's priority stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_returns_when_set_from_elsewhere() {
        let stop = Stop::new().unwrap();
        let other = stop.clone();
        let handle = spawn("waiter", move || other.wait(Duration::from_secs(60))).unwrap();
        stop.set();
        assert!(handle.join().unwrap());
        assert!(stop.wait(Duration::ZERO));
    }

    #[test]
    fn wait_readable_tells_data_from_timeout_from_stop() {
        let stop = Stop::new().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        assert_eq!(stop.wait_readable(reader.as_fd(), Duration::from_millis(5)).unwrap(), Some(false));
        drop(writer);
        assert_eq!(stop.wait_readable(reader.as_fd(), Duration::from_secs(60)).unwrap(), Some(true));
        stop.set();
        assert_eq!(stop.wait_readable(reader.as_fd(), Duration::from_secs(60)).unwrap(), None);
    }

    #[test]
    fn join_gives_up_at_its_deadline() {
        let stop = Stop::new().unwrap();
        let inner = stop.clone();
        let handle = spawn("stuck", move || inner.wait(Duration::from_secs(60))).unwrap();
        assert!(join_by(handle, Instant::now() + Duration::from_millis(10)).is_none());
        stop.set();
    }

    #[test]
    fn the_channel_closes_when_the_token_is_set() {
        let stop = Stop::new().unwrap();
        let channel = stop.channel();
        assert!(channel.try_recv().is_err_and(|error| error.is_empty()));
        stop.set();
        assert!(channel.recv().is_err());
        assert!(stop.channel().recv().is_err());
    }
}
