//! Layer 4: the daemon. [`run`] builds the pipeline, runs it until it ends, and shuts it down in
//! order.
//!
//! ```text
//! SourceWorker ─ WorkItem ─▶ FairScheduler ─▶ InferenceWorker ─ InferenceResult ─▶ Director
//!                                                                       Director ─ Message ─▶ sinks
//! ```
//!
//! `topology` connects the threads, `build_*` create what runs on them.

mod admission;
mod build_model;
#[cfg(feature = "mqtt")]
mod build_mqtt;
mod build_sinks;
mod build_sources;
mod build_status;
mod build_trace;
#[cfg(feature = "web")]
mod build_web;
mod clips;
mod corrections;
mod director;
mod error;
mod fanout;
mod inference;
mod job;
mod live_settings;
mod persistence;
mod scheduler;
mod services;
mod sink_context;
mod slow_stream;
mod source_worker;
mod supervisor;
mod systemd;
#[cfg(test)]
mod tests;
mod threads;
mod topology;
mod watchdog;

#[cfg(feature = "mqtt")]
pub(crate) use build_model::source_identity;
pub(crate) use services::Services;
#[cfg(feature = "broker")]
pub(crate) use topology::RunOutcome;
pub(crate) use topology::run;
