//! Tests of the whole stage on scripted sequences of patches.

use super::*;

mod final_segments;
mod properties;
mod trace;

const LOUD: f32 = -20.0;
const MUSIC: GatePosteriors = GatePosteriors { music: 0.98, speech: 0.01, noise: 0.01 };
const SPEECH: GatePosteriors = GatePosteriors { music: 0.04, speech: 0.95, noise: 0.01 };
const NOISE: GatePosteriors = GatePosteriors { music: 0.02, speech: 0.03, noise: 0.95 };
const ROCK: [f32; 3] = [0.8, 0.1, 0.1];
const JAZZ: [f32; 3] = [0.1, 0.8, 0.1];

/// Posteriors, gate and loudness of a patch.
type ScriptedPatch = ([f32; 3], Option<GatePosteriors>, f32);

/// Wording of an event that leaves out its confidence.
fn describe(event: &SourceEvent) -> String {
    match event {
        SourceEvent::GenreChanged { from, to, .. } => format!("genre {from} → {to}"),
        SourceEvent::DeadAirStarted { cause } => format!("dead air started: {}", cause.as_str()),
        other => other.event_type().as_str().replace('_', " "),
    }
}

fn config() -> DecisionConfig {
    DecisionConfig { expected_piece_s: 300.0, switch_margin: 0.25, hold_s: 15.0, ..DecisionConfig::default() }
}

fn decider() -> Decider {
    let labels: Vec<Arc<str>> = ["rock", "jazz", "pop"].map(Into::into).to_vec();
    Decider::new(
        &labels,
        &config(),
        &SilenceConfig { threshold_lufs: -60.0, after_s: 2.0 },
        &DeadAirConfig::default(),
    )
}

/// Patches of music, one per second.
fn music(posteriors: [f32; 3], seconds: usize) -> Vec<ScriptedPatch> {
    vec![(posteriors, None, LOUD); seconds]
}

/// Observation of a patch of three seconds that ends at `time`.
fn observation(time: f64, posteriors: &[f32], gate: Option<GatePosteriors>, level: Level) -> Observation<'_> {
    Observation { start: SourceTime(time - 3.0), end: SourceTime(time), posteriors, gate, level }
}

/// Feeds patches that are `hop` seconds apart and returns the changes with their times.
fn script(decider: &mut Decider, from: f64, hop: f64, patches: &[ScriptedPatch]) -> Vec<String> {
    let mut log = Vec::new();
    for (index, (posteriors, gate, lufs_s)) in patches.iter().enumerate() {
        let time = from + index as f64 * hop;
        log.extend(
            decider
                .observe(observation(time, posteriors, *gate, Level::of_loudness(*lufs_s)))
                .iter()
                .map(|event| format!("{time}: {}", describe(event))),
        );
        let verdict = decider.verdict();
        assert_eq!(verdict.confidence.is_some(), verdict.state == SourceState::Music);
        assert!(verdict.confidence.is_none_or(|p| (0.0..=1.0).contains(&p)), "{verdict:?}");
    }
    log
}

/// Time and text of each line.
fn times(log: &[String]) -> Vec<(f64, &str)> {
    let parts = log.iter().map(|line| line.split_once(": ").unwrap());
    parts.map(|(at, what)| (at.parse().unwrap(), what)).collect()
}

/// Asserts the changes and the ranges of their times.
fn assert_says(log: &[String], expected: &[(std::ops::RangeInclusive<f64>, &str)]) {
    let found = times(log);
    let says = found.len() == expected.len()
        && found.iter().zip(expected).all(|((at, what), (range, text))| range.contains(at) && what == text);
    assert!(says, "{log:#?} where {expected:?} is expected");
}

#[test]
fn a_lasting_change_is_published_once_and_soon() {
    let patches = [music(ROCK, 20), music(JAZZ, 20)].concat();
    let log = script(&mut decider(), 0.0, 1.0, &patches);
    assert_says(&log, &[(0.0..=4.0, "genre uncertain → rock"), (21.0..=25.0, "genre rock → jazz")]);
}

#[test]
fn one_odd_patch_changes_nothing() {
    let mut decider = decider();
    let patches = [music(ROCK, 30), music([0.0, 1.0, 0.0], 1), music(ROCK, 30)].concat();
    assert_says(&script(&mut decider, 0.0, 1.0, &patches), &[(0.0..=4.0, "genre uncertain → rock")]);
}

#[test]
fn alternating_labels_of_one_piece_cause_no_changes() {
    let swing = [music([0.6, 0.3, 0.1], 9), music([0.3, 0.6, 0.1], 6)].concat();
    let log = script(&mut decider(), 0.0, 1.0, &swing.repeat(40));
    assert_says(&log, &[(0.0..=9.0, "genre uncertain → rock")]);
}

#[test]
fn a_drift_within_a_segment_changes_the_label() {
    let patches = [music([0.6, 0.25, 0.15], 30), music([0.25, 0.6, 0.15], 300)].concat();
    let log = script(&mut decider(), 0.0, 1.0, &patches);
    assert_says(&log, &[(0.0..=9.0, "genre uncertain → rock"), (35.0..=75.0, "genre rock → jazz")]);
}

#[test]
fn a_draw_or_a_weak_leader_is_uncertain() {
    let draw = music([0.4, 0.4, 0.2], 100);
    assert!(script(&mut decider(), 0.0, 1.0, &draw).is_empty());
    // After a change to a draw the label is kept for 15 s.
    let patches = [music([0.0, 0.0, 1.0], 20), draw].concat();
    let log = script(&mut decider(), 0.0, 1.0, &patches);
    assert_says(&log, &[(0.0..=4.0, "genre uncertain → pop"), (34.0..=46.0, "genre pop → uncertain")]);

    let labels: Vec<Arc<str>> = (0..20).map(|label| format!("{label}").into()).collect();
    let mut decider = Decider::new(&labels, &config(), &SilenceConfig::default(), &DeadAirConfig::default());
    let mut posteriors = [0.75 / 19.0; 20];
    posteriors[3] = 0.25;
    for time in 0..100 {
        decider.observe(observation(f64::from(time), &posteriors, None, Level::of_loudness(LOUD)));
    }
    assert_eq!(
        decider.verdict().state,
        SourceState::Uncertain,
        "0.25 is not that much more than an even share"
    );
}

#[test]
fn speech_and_noise_are_told_apart_from_music() {
    let part = |gate, seconds| vec![(ROCK, Some(gate), LOUD); seconds];
    let patches = [part(MUSIC, 20), part(SPEECH, 10), part(NOISE, 50), part(MUSIC, 10)].concat();
    let mut decider = decider();
    // A second of noise has a tenth of the weight. Speech is held for 15 s; noise is published then
    // or later.
    let log = script(&mut decider, 0.0, 1.0, &patches);
    let found = times(&log);
    assert_eq!((found[0].1, found[1].1), ("genre uncertain → rock", "genre rock → speech"), "{log:?}");
    assert!((21.0..=24.0).contains(&found[1].0), "{log:?}");
    let noise = found.iter().find(|(_, what)| what.ends_with("→ noise")).unwrap().0;
    assert!((40.0..=75.0).contains(&noise), "{log:?}");
    assert!(found[found.len() - 1].0 <= 86.0 && found[found.len() - 1].1 == "genre noise → rock", "{log:?}");
    // The mean posterior is of the music alone.
    assert!((decider.smoothed()[0] - 0.8).abs() < 1e-3, "{:?}", decider.smoothed());
    // One second of speech is not published.
    let patches = [part(SPEECH, 1), part(MUSIC, 20)].concat();
    assert!(script(&mut decider, 50.0, 1.0, &patches).is_empty());
}

#[test]
fn silence_must_last_and_ends_at_once() {
    let patches = vec![(JAZZ, Some(SPEECH), -70.0); 5];
    assert_says(
        &script(&mut decider(), 0.0, 1.0, &[music(ROCK, 5), patches, music(ROCK, 5)].concat()),
        &[
            (0.0..=4.0, "genre uncertain → rock"),
            (7.0..=7.0, "dead air started: silence"),
            (7.0..=7.0, "genre rock → silence"),
            (10.0..=10.0, "dead air ended"),
            (10.0..=10.0, "genre silence → rock"),
        ],
    );
}

#[test]
fn noise_gives_way_to_music_at_once() {
    let part = |gate, seconds| vec![(ROCK, Some(gate), LOUD); seconds];
    let mut decider = decider();
    let log = script(&mut decider, 0.0, 1.0, &[part(NOISE, 100), part(MUSIC, 20)].concat());
    let found = times(&log);
    assert_eq!(found[0].1, "genre uncertain → noise", "{log:?}");
    let (at, what) = found[found.len() - 1];
    assert!(found.len() == 2 && what == "genre noise → rock" && at <= 105.0, "{log:?}");
    // A short one is not published.
    let mut decider = self::decider();
    let log = script(&mut decider, 0.0, 1.0, &[part(NOISE, 3), part(MUSIC, 20)].concat());
    assert_says(&log, &[(3.0..=8.0, "genre uncertain → rock")]);
}

#[test]
fn a_tone_and_a_loop_are_dead_air() {
    let mut decider = decider();
    let mut log = Vec::new();
    let mut hear = |time: f64, tone_s: f32, repeated_s: f32| {
        let level = Level { tone_s, repeated_s, ..Level::of_loudness(LOUD) };
        let seen = observation(time, &ROCK, Some(MUSIC), level);
        log.extend(decider.observe(seen).iter().map(|event| format!("{time}: {}", describe(event))));
    };
    (0..20).for_each(|n| hear(n.into(), (n as f32 - 5.0).max(0.0), 0.0));
    (20..60).for_each(|n| hear(n.into(), 0.0, (n as f32 - 20.0).min(25.0)));
    (60..70).for_each(|n| hear(n.into(), 0.0, 0.0));
    assert_says(
        &log,
        &[
            (0.0..=4.0, "genre uncertain → rock"),
            (15.0..=15.0, "dead air started: tone"),
            (15.0..=15.0, "genre rock → noise"),
            (21.0..=21.0, "dead air ended"),
            (21.0..=21.0, "genre noise → rock"),
            (40.0..=40.0, "dead air started: loop"),
            (40.0..=40.0, "genre rock → noise"),
            (61.0..=61.0, "dead air ended"),
            (61.0..=61.0, "genre noise → rock"),
        ],
    );
    // A lost source is not dead air.
    let level = Level { tone_s: 60.0, ..Level::of_loudness(LOUD) };
    decider.observe(observation(80.0, &ROCK, None, level));
    assert!(decider.is_dead_air());
    assert_eq!(decider.lose(None), [SourceEvent::DeadAirEnded, SourceEvent::SourceLost { reason: None }]);
    assert!(!decider.is_dead_air());
}

#[test]
fn lost_and_recovered_are_no_genre_changes() {
    let mut decider = decider();
    script(&mut decider, 0.0, 1.0, &music(ROCK, 5));
    assert_eq!(decider.lose(None), [SourceEvent::SourceLost { reason: None }]);
    assert_eq!(decider.lose(None), []);
    assert_eq!(&*decider.genre(decider.verdict()), "lost");
    assert!(decider.smoothed().is_empty());
    // The evidence was reset: the new label needs as little as at the start.
    assert_says(
        &script(&mut decider, 60.0, 1.0, &music(JAZZ, 5)),
        &[(60.0..=60.0, "source recovered"), (60.0..=64.0, "genre uncertain → jazz")],
    );
}

/// After a gap, a patch has the weight of at most three seconds, and never a negative one.
#[test]
fn gaps_and_times_that_go_back_are_harmless() {
    let mut decider = decider();
    let log = script(&mut decider, 0.0, 1.0, &music(ROCK, 60));
    assert_says(&log, &[(0.0..=4.0, "genre uncertain → rock")]);
    assert_eq!(script(&mut decider, 3600.0, 1.0, &music(ROCK, 5)), [""; 0]);
    assert_eq!(script(&mut decider, 10.0, -1.0, &music(ROCK, 5)), [""; 0]);
    let log = script(&mut decider, 20.0, 1.0, &music(JAZZ, 20));
    assert_eq!(log.len(), 1, "{log:?}");
}

#[test]
fn posteriors_that_are_not_finite_are_harmless() {
    let mut decider = decider();
    script(&mut decider, 0.0, 1.0, &music([f32::NAN; 3], 3));
    assert_eq!(decider.verdict().state, SourceState::Uncertain);
    script(&mut decider, 3.0, 1.0, &music(ROCK, 5));
    assert_eq!(&*decider.genre(decider.verdict()), "rock");
    let broken = GatePosteriors { music: f32::NAN, ..SPEECH };
    assert_eq!(script(&mut decider, 8.0, 1.0, &vec![(JAZZ, Some(broken), LOUD); 60]), [""; 0]);
}

#[test]
fn one_patch_alone_is_judged_by_level_gate_and_label() {
    let silence = SilenceConfig::default();
    assert_eq!(raw(&[f32::NAN, 0.4], None, LOUD, &silence), Verdict::music(1, 0.4));
    assert_eq!(raw(&ROCK, Some(MUSIC), LOUD, &silence), Verdict::music(0, 0.8));
    assert_eq!(raw(&ROCK, Some(SPEECH), LOUD, &silence), Verdict::state(SourceState::Speech));
    assert_eq!(raw(&ROCK, Some(NOISE), LOUD, &silence), Verdict::state(SourceState::Noise));
    assert_eq!(raw(&ROCK, Some(SPEECH), -61.0, &silence), Verdict::state(SourceState::Silence));
    let broken = GatePosteriors { music: f32::NAN, speech: f32::NAN, noise: f32::NAN };
    assert_eq!(raw(&ROCK, Some(broken), LOUD, &silence), Verdict::music(0, 0.8));
}

/// The evidence of a piece does not depend on the hop.
#[test]
fn the_hop_does_not_change_decisions() {
    let pieces = [(ROCK, 40.0), (JAZZ, 25.0), ([0.5, 0.3, 0.2], 60.0), ([0.1, 0.1, 0.8], 30.0)];
    let logs = [0.25_f64, 0.5, 1.0, 1.5].map(|hop| {
        let patches: Vec<ScriptedPatch> = pieces
            .iter()
            .flat_map(|(piece, seconds)| music(*piece, (seconds / hop).round() as usize))
            .collect();
        script(&mut decider(), 0.0, hop, &patches)
    });
    for (log, hop) in logs.iter().zip([0.25, 0.5, 1.0, 1.5]) {
        assert_eq!(log.len(), logs[2].len(), "{log:?}");
        for (one, other) in log.iter().zip(&logs[2]) {
            let ((at, what), (other_at, other_what)) =
                (one.split_once(':').unwrap(), other.split_once(':').unwrap());
            let difference = at.parse::<f64>().unwrap() - other_at.parse::<f64>().unwrap();
            assert!(what == other_what && difference.abs() <= 1.5, "hop {hop}: {one} and {other}");
        }
    }
}
