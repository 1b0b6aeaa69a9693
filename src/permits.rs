//! Layer 0: compute permits, which bound the number of source workers that compute at once.
//!
//! Hundreds of workers wake up every second. Without a bound, all late ones are runnable at the
//! same time, and the inference thread gets one share of the processor among hundreds. Workers
//! therefore hold a permit while they decode or analyse. Waiting workers are served in order.
//!
//! A permit is a lease. A worker that holds one for longer than [`LEASE`] counts as blocked, for
//! example on a disk that does not respond, and its permit goes to the next worker.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Time after which a permit that was not returned is granted to another worker.
pub(crate) const LEASE: Duration = Duration::from_millis(500);

/// Permits beyond one per core: a worker that was granted one needs a moment to wake up, in which
/// no core idles.
const SPARE: usize = 1;

/// Handle of a pool of compute permits. Clones share the pool.
#[derive(Debug, Clone)]
pub(crate) struct Permits(Arc<Mutex<PoolState>>);

#[derive(Debug)]
struct PoolState {
    /// Permits that no worker holds.
    free: usize,
    /// Number and grant time of each permit in use.
    held: Vec<(u64, Instant)>,
    /// Number of the next grant.
    next: u64,
    waiting: VecDeque<Arc<Waiter>>,
    /// Start of the present period in which workers wait; none while no worker waits.
    contended_since: Option<Instant>,
    /// Time with waiting workers since it was last taken.
    contended: Duration,
}

#[derive(Debug)]
struct Waiter {
    thread: Thread,
    granted: AtomicBool,
    /// Number of the grant, valid once `granted` is set.
    number: Mutex<u64>,
}

/// Permit in use; dropping it returns it.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    pool: &'a Permits,
    number: u64,
}

impl Permits {
    /// Creates a pool with one permit per core and [`SPARE`] more.
    pub(crate) fn per_core() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, usize::from) + SPARE)
    }

    /// Creates a pool of `count` permits.
    pub(crate) fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(PoolState {
            free: count,
            held: Vec::with_capacity(count),
            next: 0,
            waiting: VecDeque::new(),
            contended_since: None,
            contended: Duration::ZERO,
        })))
    }

    /// Waits for a permit. It must not be held while waiting for anything else.
    pub(crate) fn acquire(&self) -> Permit<'_> {
        let waiter = {
            let mut state = self.lock();
            let now = Instant::now();
            if state.free > 0 && state.waiting.is_empty() {
                state.free -= 1;
                return Permit { pool: self, number: state.grant(now) };
            }
            let waiter = Arc::new(Waiter {
                thread: std::thread::current(),
                granted: AtomicBool::new(false),
                number: Mutex::new(0),
            });
            state.waiting.push_back(waiter.clone());
            state.contended_since.get_or_insert(now);
            waiter
        };
        while !waiter.granted.load(Ordering::Acquire) {
            std::thread::park_timeout(LEASE);
            if !waiter.granted.load(Ordering::Acquire) {
                self.lock().reclaim(Instant::now());
            }
        }
        let number = *waiter.number.lock().unwrap_or_else(PoisonError::into_inner);
        Permit { pool: self, number }
    }

    /// Returns the time in which at least one worker waited, since the last call.
    pub(crate) fn take_contended(&self, now: Instant) -> Duration {
        let mut state = self.lock();
        state.end_period(now);
        if !state.waiting.is_empty() {
            state.contended_since = Some(now);
        }
        std::mem::take(&mut state.contended)
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PoolState {
    /// Registers a grant and returns its number.
    fn grant(&mut self, now: Instant) -> u64 {
        self.next += 1;
        self.held.push((self.next, now));
        self.next
    }

    /// Grants a permit to the worker that has waited longest, or frees it.
    fn pass_on(&mut self, now: Instant) {
        let Some(waiter) = self.waiting.pop_front() else {
            self.free += 1;
            return;
        };
        *waiter.number.lock().unwrap_or_else(PoisonError::into_inner) = self.grant(now);
        waiter.granted.store(true, Ordering::Release);
        waiter.thread.unpark();
        if self.waiting.is_empty() {
            self.end_period(now);
        }
    }

    fn release(&mut self, number: u64, now: Instant) {
        // A permit whose lease ran out was passed on already.
        if let Some(at) = self.held.iter().position(|(held, _)| *held == number) {
            self.held.swap_remove(at);
            self.pass_on(now);
        }
    }

    /// Passes on the permits whose lease has run out.
    fn reclaim(&mut self, now: Instant) {
        while let Some(at) =
            self.held.iter().position(|(_, since)| now.saturating_duration_since(*since) >= LEASE)
        {
            self.held.swap_remove(at);
            self.pass_on(now);
        }
    }

    fn end_period(&mut self, now: Instant) {
        if let Some(since) = self.contended_since.take() {
            self.contended += now.saturating_duration_since(since);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.pool.lock().release(self.number, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn at_most_as_many_compute_as_there_are_permits() {
        let pool = Permits::new(2);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _permit = pool.acquire();
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=2).contains(&most.into_inner()));
        assert_eq!(pool.lock().free, 2);
    }

    #[test]
    fn waiting_workers_are_served_in_order() {
        let pool = Permits::new(1);
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let first = pool.acquire();
            for number in 0..4 {
                let (pool, order) = (&pool, &order);
                scope.spawn(move || {
                    let _permit = pool.acquire();
                    order.lock().unwrap().push(number);
                });
                while pool.lock().waiting.len() <= number {
                    std::thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_blocked_worker_stops_nobody() {
        let pool = Permits::new(1);
        let blocked = pool.acquire();
        drop(pool.acquire());
        // Its permit was passed on; giving it back changes nothing.
        drop(blocked);
        assert_eq!(pool.lock().free, 1);
    }

    #[test]
    fn contention_is_measured() {
        let pool = Permits::new(1);
        let start = Instant::now();
        assert_eq!(pool.take_contended(start), Duration::ZERO);
        pool.lock().contended_since = Some(start);
        assert_eq!(pool.take_contended(start + Duration::from_secs(2)), Duration::from_secs(2));
        assert_eq!(pool.take_contended(start + Duration::from_secs(3)), Duration::ZERO);
    }
}
