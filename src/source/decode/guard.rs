//! Guard around third-party parsing code.

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::errors::{Error, Result as Decoded};

/// Marks an error that was a panic.
pub(super) const PANICKED: &str = "the decoder panicked";

/// Runs third-party parsing code and turns its panic into an error of the stream.
pub(super) fn guarded<T>(call: impl FnOnce() -> Decoded<T>) -> Decoded<T> {
    // State left behind by a panic is dropped, not used: the stream ends at this error.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Error::Unsupported(PANICKED)))
}
