//! Streaming, real-time music-genre classifier.
//!
//! ```text
//!  source                      dsp               engine + model      decision       sink
//! ┌───────────────────┐Block ┌──────────┐Patch ┌──────────────┐Scores┌─────────┐Change┌────────┐
//! │ device: callback ▶│─────▶│ FrontEnd │─────▶│ infer: trunk │─────▶│ Decider │─────▶│ mqtt   │
//! │   ring ▶ read     │native│ log-mel, │      │ ▶ embedding  │      │ segment,│ fan- │ jsonl  │
//! │ file, stdin:      │ rate │ loudness │      │ ▶ heads      │      │ selector│ out  │ text   │
//! │   decode ▶ read   │      └──────────┘      └──────────────┘      └─────────┘      └────────┘
//! └───────────────────┘
//!   one thread per source: read ▶ front end      one thread           one thread       tokio
//! ```
//!
//! Imports only point down: [`cli`] ▸ [`study`] ▸ `engine` ▸ [`config`] ▸ [`source`], [`sink`],
//! [`model`], `clip` ▸ [`dsp`], [`decision`], [`learn`], `asrun` ▸ [`audio`], [`event`],
//! [`settings`], [`command`], [`limits`], [`thread`], `counters`, `permits`, `state_dir`,
//! `backoff`, `tap`, `status`, `usage`. `ARCHITECTURE.md` is the map; `tests/integration/tidy.rs`
//! checks the layers.

#[cfg(feature = "log")]
pub mod asrun;
pub mod audio;
pub(crate) mod backoff;
pub mod cli;
#[cfg(feature = "clips")]
pub mod clip;
pub mod command;
pub mod config;
#[cfg_attr(
    not(all(feature = "broker", feature = "web")),
    allow(dead_code, unused_imports, reason = "used by `bench streams` and the page")
)]
pub(crate) mod counters;
pub mod decision;
pub mod dsp;
#[cfg_attr(
    not(all(feature = "mqtt", feature = "broker", feature = "corrections")),
    allow(dead_code, reason = "used by these features")
)]
pub(crate) mod engine;
pub mod event;
pub mod learn;
pub mod limits;
pub mod model;
pub(crate) mod permits;
pub mod settings;
pub mod sink;
pub mod source;
pub(crate) mod state_dir;
#[cfg_attr(not(feature = "web"), allow(dead_code, unused_imports, reason = "used by the page"))]
pub(crate) mod status;
pub mod study;
#[cfg_attr(not(feature = "web"), allow(dead_code, reason = "used by the page"))]
pub(crate) mod tap;
pub mod thread;
#[cfg_attr(not(feature = "web"), allow(dead_code, reason = "used by the page"))]
pub(crate) mod usage;
