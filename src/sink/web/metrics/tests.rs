use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::audio::Level;
use crate::counters::Moment;
use crate::event::{EventType, NamedVerdict, SourceHealth, SourceState};
use crate::sink::samples;
use crate::status::SourceStatus;

/// One sample of an exposition.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Family of an exposition: type, help and samples.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    samples: Vec<Sample>,
}

/// Daemon with two sources, of which `fm1` plays jazz and `kitchen` is lost.
fn daemon() -> Arc<DaemonStatus> {
    let fm1 = SourceStatus::new("fm1".into(), true, true);
    fm1.counters.produced.set(12);
    fm1.counters.scored.set(9);
    fm1.counters.dropped.set(1);
    fm1.counters.enqueued.set(11);
    fm1.counters.processed.set(9);
    fm1.counters.skipped_ms.set(1500);
    fm1.counters.latency.record(Duration::from_millis(30));
    fm1.counters.last_audio.mark(Instant::now());
    fm1.update(|condition| {
        condition.online = true;
        condition.health = SourceHealth::Healthy;
        condition.verdict =
            NamedVerdict { state: SourceState::Music, genre: "jazz".into(), confidence: Some(0.75) };
        condition.level = Some(Level::of_loudness(-20.0));
        condition.on_event(EventType::OffFormatStarted);
    });
    let kitchen = SourceStatus::new("kitchen".into(), true, true);
    kitchen.update(|condition| {
        condition.health = SourceHealth::Recovering;
        condition.verdict = NamedVerdict::of_state(SourceState::Lost);
        condition.level = Some(Level::of_loudness(-30.0));
    });
    let status = DaemonStatus {
        model: "base".into(),
        sources: vec![Arc::new(fm1), Arc::new(kitchen)],
        inference: Arc::default(),
        deciding: Moment::default(),
        mqtt: Some(Arc::default()),
        log: Some(Arc::default()),
    };
    status.inference.patches.set(9);
    status.inference.busy_ns.set(500_000_000);
    Arc::new(status)
}

fn exposition(status: &Arc<DaemonStatus>, format: MetricsFormat) -> String {
    encode(status, &Arc::new(samples::info(1)), format).unwrap()
}

/// Families of the Prometheus text format, by name, as its specification defines them.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            families.entry(name.to_owned()).or_default().help = help.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let family = families.entry(name.to_owned()).or_default();
            assert!(family.kind.is_empty() && family.samples.is_empty(), "{name} is declared once, first");
            family.kind = kind.to_owned();
        } else {
            assert!(!line.starts_with('#'), "{line}");
            let sample = parse_sample(line);
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| sample.name.strip_suffix(end));
            let family = base.filter(|base| families.contains_key(*base)).unwrap_or(&sample.name).to_owned();
            let family = families.get_mut(&family).unwrap_or_else(|| panic!("{line} has no family"));
            family.samples.push(sample);
        }
    }
    families
}

fn parse_sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let mut rest = labels.strip_suffix('}').unwrap();
    let mut found = BTreeMap::new();
    while let Some((key, after)) = rest.split_once("=\"") {
        let (mut text, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next().unwrap() {
                (_, '\\') => match chars.next().unwrap().1 {
                    'n' => text.push('\n'),
                    other => text.push(other),
                },
                (at, '"') => break at,
                (_, other) => text.push(other),
            }
        };
        found.insert(key.trim_start_matches(',').to_owned(), text);
        rest = &after[end + 1..];
    }
    let value = if value == "+Inf" { f64::INFINITY } else { value.parse().unwrap() };
    Sample { name: name.to_owned(), labels: found, value }
}

fn value(families: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let matches = |sample: &&Sample| {
        labels.iter().all(|(key, text)| sample.labels.get(*key).is_some_and(|found| found == text))
    };
    families.get(name)?.samples.iter().find(matches).map(|sample| sample.value)
}

#[test]
fn counts_and_conditions_are_exposed() {
    let families = parse(&exposition(&daemon(), MetricsFormat::Prometheus));
    let of = |name: &str, labels: &[(&str, &str)]| value(&families, name, labels);
    let fm1 = &[("source", "fm1")][..];
    for (name, expected) in [
        ("genred_source_patches_produced_total", 12.0),
        ("genred_source_patches_scored_total", 9.0),
        ("genred_source_patches_dropped_total", 1.0),
        ("genred_source_skipped_seconds_total", 1.5),
        ("genred_source_online", 1.0),
        ("genred_source_confidence_ratio", 0.75),
        ("genred_source_loudness_momentary_lufs", -20.0),
    ] {
        assert_eq!(of(name, fm1), Some(expected), "{name}");
    }
    assert_eq!(of("genred_inference_queue_patches", &[]), Some(2.0));
    assert_eq!(of("genred_inference_realtime_factor", &[]), Some(9.0 * samples::info(1).hop_s / 0.5));
    assert_eq!(
        of("genred_source_info", &[("source", "fm1"), ("genre", "jazz"), ("state", "music")]),
        Some(1.0)
    );
    assert_eq!(of("genred_source_problem", &[("source", "fm1"), ("problem", "off_format")]), Some(1.0));
    assert_eq!(of("genred_source_problem", &[("source", "fm1"), ("problem", "dead_air")]), Some(0.0));
    assert_eq!(of("genred_source_health", &[("source", "kitchen"), ("health", "recovering")]), Some(1.0));
    assert_eq!(of("genred_source_state", &[("source", "kitchen"), ("state", "lost")]), Some(1.0));
    assert_eq!(of("genred_mqtt_connected", &[]), Some(0.0));
    assert_eq!(of("genred_log_writable", &[]), Some(1.0));
    assert!(of("process_resident_memory_bytes", &[]) > Some(1e6));
    // A source without audio has neither a loudness nor a time of its last audio.
    assert_eq!(of("genred_source_loudness_momentary_lufs", &[("source", "kitchen")]), None);
    assert_eq!(of("genred_source_last_audio_timestamp_seconds", &[("source", "kitchen")]), None);
    let age = Timestamp::now().as_millisecond() as f64 / 1000.0
        - of("genred_source_last_audio_timestamp_seconds", fm1).unwrap();
    assert!((-1.0..60.0).contains(&age), "{age}");
}

#[test]
fn a_histogram_is_cumulative_and_ends_with_infinity() {
    let families = parse(&exposition(&daemon(), MetricsFormat::Prometheus));
    let family = &families["genred_patch_latency_seconds"];
    let buckets: Vec<(String, f64)> = family
        .samples
        .iter()
        .filter(|sample| sample.name.ends_with("_bucket"))
        .map(|sample| (sample.labels["le"].clone(), sample.value))
        .collect();
    assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{buckets:?}");
    assert_eq!(buckets.last().unwrap(), &("+Inf".to_owned(), 1.0));
    assert_eq!(buckets.iter().filter(|(_, count)| *count == 0.0).count(), 5, "{buckets:?}");
    let sum = family.samples.iter().find(|sample| sample.name.ends_with("_sum"));
    assert_eq!(sum.map(|sample| sample.value), Some(0.03));
}

#[test]
fn names_types_and_labels_follow_the_conventions() {
    let known: BTreeSet<&str> = [
        "source",
        "problem",
        "health",
        "state",
        "genre",
        "le",
        "version",
        "model",
        "head",
        "execution_provider",
    ]
    .into();
    for (name, family) in parse(&exposition(&daemon(), MetricsFormat::Prometheus)) {
        assert!(name.starts_with("genred_") || name.starts_with("process_"), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name} is a {}", family.kind);
        assert!(!family.help.is_empty() && !family.help.ends_with('.'), "{name}");
        assert!(!family.samples.is_empty(), "{name}");
        for unit in ["_ms", "_milliseconds", "_mb", "_minutes", "_percent"] {
            assert!(!name.contains(unit), "{name} is not in a base unit");
        }
        let mut seen = BTreeSet::new();
        for sample in &family.samples {
            assert!(sample.labels.keys().all(|label| known.contains(label.as_str())), "{sample:?}");
            assert!(sample.value.is_finite(), "{sample:?}");
            let is_new = seen.insert((sample.name.clone(), sample.labels.clone()));
            assert!(is_new, "{sample:?} is there twice");
        }
        assert_eq!(
            name.starts_with("genred_source_"),
            family.samples[0].labels.contains_key("source"),
            "{name}"
        );
    }
}

#[test]
fn special_characters_of_a_genre_are_escaped() {
    let status = daemon();
    let genre = "drum \"n\" bass\\\nlive";
    status.sources[0].update(|condition| condition.verdict.genre = genre.into());
    let families = parse(&exposition(&status, MetricsFormat::Prometheus));
    assert_eq!(value(&families, "genred_source_info", &[("genre", genre)]), Some(1.0));
}

#[test]
fn parts_that_are_disabled_have_no_metrics() {
    let source = SourceStatus::new("fm1".into(), true, true);
    let status = Arc::new(DaemonStatus {
        model: "base".into(),
        sources: vec![Arc::new(source)],
        inference: Arc::default(),
        deciding: Moment::default(),
        mqtt: None,
        log: None,
    });
    let families = parse(&exposition(&status, MetricsFormat::Prometheus));
    assert!(families.keys().all(|name| !name.contains("mqtt") && !name.contains("log_")));
    assert_eq!(value(&families, "genred_inference_realtime_factor", &[]), None, "before the first patch");
}

#[test]
fn digital_silence_is_finite() {
    let status = daemon();
    let silence = Level::of_loudness(f32::NEG_INFINITY);
    status.sources[0].update(|condition| condition.level = Some(silence));
    let families = parse(&exposition(&status, MetricsFormat::Prometheus));
    let loudness = value(&families, "genred_source_loudness_short_term_lufs", &[("source", "fm1")]);
    assert_eq!(loudness, Some(-120.0));
}

#[test]
fn clients_that_ask_for_open_metrics_get_it() {
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let format = MetricsFormat::for_client(Some(accept));
    assert_eq!(format, MetricsFormat::OpenMetrics);
    assert_eq!(MetricsFormat::for_client(Some("text/plain")), MetricsFormat::Prometheus);
    assert_eq!(MetricsFormat::for_client(None), MetricsFormat::Prometheus);
    let text = exposition(&daemon(), format);
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# UNIT genred_patch_latency_seconds seconds\n"));
    assert!(text.contains("# TYPE genred_source_patches_scored counter\n"));
    assert!(text.contains("genred_source_patches_scored_total{source=\"fm1\"} 9"));
}

#[test]
fn the_reference_lists_every_metric() {
    let families = parse(&exposition(&daemon(), MetricsFormat::Prometheus));
    let row = |(name, family): (&String, &Family)| {
        let labels: BTreeSet<&String> =
            family.samples.iter().flat_map(|sample| sample.labels.keys()).collect();
        let labels: Vec<String> =
            labels.iter().filter(|label| **label != "le").map(|label| format!("`{label}`")).collect();
        format!("| `{name}` | {} | {} | {} |", family.kind, labels.join(", "), family.help)
    };
    let expected: Vec<String> = families.iter().map(row).collect();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `genred_") || line.starts_with("| `process_"));
    let found: Vec<&str> = rows.collect();
    assert_eq!(found, expected, "the table of docs/reference/metrics.md is not:\n{}", expected.join("\n"));
}

#[test]
fn guide_rules_and_dashboard_name_metrics_that_exist() {
    let families = parse(&exposition(&daemon(), MetricsFormat::Prometheus));
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide");
    for file in ["monitoring.md", "monitoring/alerts.yml", "monitoring/grafana-dashboard.json"] {
        let text = std::fs::read_to_string(guide.join(file)).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: BTreeSet<&str> =
            words.filter(|word| word.starts_with("genred_") || word.starts_with("process_")).collect();
        assert!(named.len() >= 3, "{file} names {named:?}");
        for name in named {
            let family = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(families.contains_key(family), "{file} names `{name}`, which is not exposed");
        }
    }
}
