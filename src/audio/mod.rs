//! Floor 0: the vocabulary that every stage speaks.
//!
//! Two words are kept apart throughout. A [`Block`] is a piece of input as a
//! device or decoder hands it over; a *frame* is one analysis segment of the
//! front end. A [`Patch`] is the model's input, some three seconds of frames.

mod block;
mod patch;

pub use block::{Block, Level, SampleRate, Span};
pub use patch::{Patch, PatchSpan};

/// A source's index in the order of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub usize);
