//! Corrections: what a source has played, as embeddings, with the genre that a listener gives it.
//!
//! Each correction is committed to a file of its own before it is answered. `genred train
//! --corrections` reads them. Nothing of the sound itself is stored.

#[cfg(feature = "corrections")]
mod config;
mod correction;
mod half;
#[cfg(feature = "corrections")]
mod read;
#[cfg(feature = "corrections")]
mod store;
#[cfg(all(test, feature = "corrections"))]
mod tests;

#[cfg(feature = "corrections")]
pub(crate) use config::{CorrectionsConfig, FILE};
pub(crate) use correction::{Correction, HeardPatch};
pub(crate) use half::{from_half, to_half};
#[cfg(feature = "corrections")]
pub(crate) use read::{Stored, Summary, list, read, undo};
#[cfg(feature = "corrections")]
pub(crate) use store::add;
