//! Metrics of each source.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use prometheus_client::registry::Unit;

use super::family::{MetricFamily, MetricWriter};
use crate::counters::{Counter, SourceCounters};
use crate::event::{SourceHealth, SourceState};
use crate::status::{SourceCondition, SourceStatus};

/// Source with its condition at the time of the scrape.
struct ScrapedSource<'a> {
    status: &'a SourceStatus,
    condition: SourceCondition,
}

impl ScrapedSource<'_> {
    fn name(&self) -> (&'static str, &str) {
        ("source", &self.status.name)
    }
}

/// Writes the metrics of all sources.
pub(super) fn encode(
    writer: &mut MetricWriter<'_>,
    sources: &[Arc<SourceStatus>],
    now: Instant,
    time: Timestamp,
) -> fmt::Result {
    let scraped = |status: &'_ Arc<SourceStatus>| status.condition();
    let sources: Vec<ScrapedSource<'_>> =
        sources.iter().map(|status| ScrapedSource { status, condition: scraped(status) }).collect();
    counters(writer, &sources)?;
    conditions(writer, &sources)?;
    states(writer, &sources)?;
    levels(writer, &sources)?;
    let last_audio = sources.iter().filter_map(|source| {
        let age = source.status.counters.last_audio.age(now)?;
        Some(([source.name()], time.as_millisecond() as f64 / 1000.0 - age.as_secs_f64()))
    });
    writer.gauges(
        MetricFamily::in_unit(
            "genred_source_last_audio_timestamp",
            Unit::Seconds,
            "Arrival of the last audio, as Unix time",
        ),
        last_audio,
    )
}

/// Name, help and counter of a family.
type CounterFamily = (&'static str, &'static str, fn(&SourceCounters) -> &Counter);

const COUNTERS: [CounterFamily; 9] = [
    ("genred_source_patches_produced", "Patches produced", |counters| &counters.produced),
    ("genred_source_patches_scored", "Patches scored", |counters| &counters.scored),
    ("genred_source_patches_dropped", "Patches dropped at gaps and under overload", |counters| {
        &counters.dropped
    }),
    ("genred_source_xruns", "Overflows of the capture ring buffer", |counters| &counters.xruns),
    ("genred_source_reconnects", "Times that the source was reopened", |counters| &counters.reconnects),
    ("genred_source_clips_written", "Clips written", |counters| &counters.clips.written),
    ("genred_source_clips_failed", "Clips that could not be written", |counters| &counters.clips.failed),
    ("genred_source_clips_deleted", "Clips deleted by age and by total size", |counters| {
        &counters.clips.deleted
    }),
    (
        "genred_source_clip_chunks_dropped",
        "Chunks of audio, half a second each, that are missing in clips because the disk was behind",
        |counters| &counters.clips.chunks_dropped,
    ),
];

fn counters(writer: &mut MetricWriter<'_>, sources: &[ScrapedSource<'_>]) -> fmt::Result {
    for (name, help, counter) in COUNTERS {
        let values =
            sources.iter().map(|source| ([source.name()], counter(&source.status.counters).get() as f64));
        writer.counters(MetricFamily::new(name, help), values)?;
    }
    let skipped = sources
        .iter()
        .map(|source| ([source.name()], source.status.counters.skipped_ms.get() as f64 / 1000.0));
    writer.counters(
        MetricFamily::in_unit("genred_source_skipped", Unit::Seconds, "Audio skipped because of an overload"),
        skipped,
    )
}

fn conditions(writer: &mut MetricWriter<'_>, sources: &[ScrapedSource<'_>]) -> fmt::Result {
    let flag = |value: bool| f64::from(u8::from(value));
    writer.gauges(
        MetricFamily::new("genred_source_online", "1 while audio arrives and the source is not paused"),
        sources.iter().map(|source| ([source.name()], flag(source.condition.online))),
    )?;
    writer.gauges(
        MetricFamily::new("genred_source_paused", "1 while the source is paused by a command"),
        sources.iter().map(|source| ([source.name()], flag(source.condition.paused))),
    )?;
    writer.gauges(
        MetricFamily::new("genred_source_ended", "1 once a finite source has ended without failure"),
        sources.iter().map(|source| {
            let has_failed = source.condition.health == SourceHealth::Failed;
            ([source.name()], flag(source.condition.ended && !has_failed))
        }),
    )?;
    let problems = sources.iter().flat_map(|source| {
        let problems = source.condition.problems();
        problems.map(|(problem, raised)| ([source.name(), ("problem", problem.as_str())], flag(raised)))
    });
    writer.gauges(
        MetricFamily::new(
            "genred_source_problem",
            "1 while the problem is raised: dead air, off format, too much talk, a missing channel, \
             or a stream slower than real time",
        ),
        problems,
    )
}

fn states(writer: &mut MetricWriter<'_>, sources: &[ScrapedSource<'_>]) -> fmt::Result {
    let flag = |value: bool| f64::from(u8::from(value));
    let healths = sources.iter().flat_map(|source| {
        SourceHealth::ALL.iter().map(|health| {
            ([source.name(), ("health", health.as_str())], flag(source.condition.health == *health))
        })
    });
    writer.gauges(
        MetricFamily::new("genred_source_health", "1 for the present health of the input, 0 for others"),
        healths,
    )?;
    let states = sources.iter().flat_map(|source| {
        SourceState::ALL.iter().map(|state| {
            let is_present = source.condition.verdict.state == *state;
            ([source.name(), ("state", state.as_str())], flag(is_present))
        })
    });
    writer.gauges(
        MetricFamily::new("genred_source_state", "1 for the published state, 0 for others"),
        states,
    )?;
    let genres = sources.iter().map(|source| {
        let verdict = &source.condition.verdict;
        ([source.name(), ("genre", &*verdict.genre), ("state", verdict.state.as_str())], 1.0)
    });
    writer.gauges(MetricFamily::new("genred_source_info", "Published genre and state; always 1"), genres)?;
    let confidences = sources
        .iter()
        .filter_map(|source| Some(([source.name()], f64::from(source.condition.verdict.confidence?))));
    writer.gauges(
        MetricFamily::new(
            "genred_source_confidence_ratio",
            "Mean posterior of the published genre, 0 to 1; absent unless the state is music",
        ),
        confidences,
    )
}

/// Loudness; absent while the source is not on air.
fn levels(writer: &mut MetricWriter<'_>, sources: &[ScrapedSource<'_>]) -> fmt::Result {
    let levels = || {
        let online = sources.iter().filter(|source| source.condition.online);
        online.filter_map(|source| Some((source, source.condition.level?)))
    };
    // Digital silence has no finite loudness.
    let finite = |lufs: f32| f64::from(lufs.max(SILENCE_LUFS));
    writer.gauges(
        MetricFamily::new(
            "genred_source_loudness_momentary_lufs",
            "Momentary loudness (400 ms) at the end of the newest patch, at least -120",
        ),
        levels().map(|(source, level)| ([source.name()], finite(level.lufs_m))),
    )?;
    writer.gauges(
        MetricFamily::new(
            "genred_source_loudness_short_term_lufs",
            "Short-term loudness (3 s) at the end of the newest patch, at least -120",
        ),
        levels().map(|(source, level)| ([source.name()], finite(level.lufs_s))),
    )
}

/// Lowest loudness that is exposed.
const SILENCE_LUFS: f32 = -120.0;
