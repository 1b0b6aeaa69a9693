//! Tests of the trace.

use proptest::prelude::*;

use super::*;

/// Checks the trace after a patch against the change of the verdict.
fn check_trace(decider: &Decider, time: f64, before: Verdict) -> Result<(), TestCaseError> {
    let trace = decider.explain(SourceTime(time));
    let now = decider.verdict();
    prop_assert_eq!(trace.level.dead_air.is_some(), now.state == SourceState::Silence);
    if trace.level.dead_air.is_some() {
        prop_assert!(trace.comparison.is_none() && trace.held.is_none() && !trace.weighed);
        prop_assert!(before.state == SourceState::Silence || trace.level.quiet >= trace.level.after);
        return Ok(());
    }
    let published = trace.held.map_or("uncertain".into(), |held| decider.state_name(held));
    prop_assert_eq!(decider.genre(now), published, "the held state is published");
    let segment = &trace.segment;
    let shares: f64 = segment.states.iter().map(|state| state.share).sum();
    prop_assert!(segment.states.is_empty() || (shares - 1.0).abs() < 1e-9, "{}", shares);
    prop_assert!(segment.states.is_sorted_by(|one, next| one.share >= next.share));
    prop_assert!((0.0..=1.0 + 1e-9).contains(&segment.changing));
    if !trace.weighed {
        prop_assert!(before == now || matches!(before.state, SourceState::Silence | SourceState::Lost));
        return Ok(());
    }
    let judged = trace.comparison.unwrap();
    let even = 1.0 / segment.states.len() as f64;
    let of = |state: usize| segment.states.iter().find(|other| other.state == state).unwrap().share;
    prop_assert_eq!(judged.ahead, of(judged.candidate) - judged.against.map_or(even, of));
    let leads = segment.states[0].share <= of(judged.candidate);
    prop_assert!(judged.passes != (judged.ahead < judged.needed || !leads), "{:?}", judged);
    let whole = if judged.against.is_some() { 1.0 } else { 1.0 - even };
    prop_assert_eq!(judged.needed, config().switch_margin * whole);
    prop_assert!(trace.kept_for.is_none_or(|left| left.0 > 0.0 && left.0 < config().hold_s));
    match (judged.held, trace.held) {
        (from, Some(to)) if from != Some(to) => prop_assert!(judged.passes && to == judged.candidate),
        (Some(_), None) => prop_assert!(!judged.passes && judged.against.is_none()),
        _ => prop_assert!(!judged.passes || trace.held == Some(judged.candidate)),
    }
    Ok(())
}

/// Figures of the trace, computed by hand.
#[test]
fn the_trace_has_the_numbers_of_the_decision() {
    // The prior is 0.35 s for each of five states; one second of rock: (0.35 + 0.8) of 2.75. That
    // is 0.2182 above a fifth; 0.25 · 0.8 are needed.
    let mut decider = decider();
    script(&mut decider, 0.0, 1.0, &music(ROCK, 1));
    let trace = decider.explain(SourceTime(0.0));
    let judged = trace.comparison.unwrap();
    assert_eq!((judged.held, judged.candidate, judged.against, judged.passes), (None, 0, None, true));
    assert!((judged.ahead - 0.218_18).abs() < 1e-5 && (judged.needed - 0.2).abs() < 1e-12, "{judged:?}");
    assert!((trace.segment.age, trace.segment.fit, trace.held) == (Seconds(1.0), None, Some(0)), "{trace:?}");
    script(&mut decider, 1.0, 1.0, &music(ROCK, 1));
    // 0.4182 · 0.8 + 0.1636 · 0.2.
    assert!((decider.explain(SourceTime(1.0)).segment.fit.unwrap() - 0.367_27).abs() < 1e-5);
    script(&mut decider, 2.0, 1.0, &music(ROCK, 18));
    let trace = decider.explain(SourceTime(19.0));
    let judged = trace.comparison.unwrap();
    assert_eq!((trace.held, judged.candidate, judged.against), (Some(0), 1, Some(0)));
    assert!(judged.ahead < -0.4 && !judged.passes && trace.segment.age == Seconds(20.0), "{trace:?}");

    // A draw after a change: pop is kept for 15 s from the first patch in which another leads.
    let mut decider = self::decider();
    script(&mut decider, 23.0, 1.0, &music([0.0, 0.0, 1.0], 20));
    script(&mut decider, 43.0, 1.0, &music([0.4, 0.4, 0.2], 20));
    let trace = decider.explain(SourceTime(62.0));
    assert_eq!((trace.held, trace.comparison.unwrap().against), (Some(2), Some(2)));
    let left = trace.kept_for.unwrap().0;
    assert!((1.0..15.0).contains(&left) && left.fract() == 0.0, "{left}");
    script(&mut decider, 63.0, 1.0, &music([0.4, 0.4, 0.2], left as usize));
    assert_eq!(decider.explain(SourceTime(62.0 + left)).held, None);

    // Quiet, then silent: the hysteresis adds to the threshold.
    script(&mut decider, 51.0, 1.0, &[(ROCK, None, -70.0); 2]);
    let level = decider.explain(SourceTime(52.0)).level;
    assert_eq!(
        (level.dead_air, level.quiet, level.after, level.quiet_below),
        (None, Seconds(1.0), Seconds(2.0), -60.0)
    );
    assert!(!decider.explain(SourceTime(52.0)).weighed);
    script(&mut decider, 53.0, 1.0, &[(ROCK, None, -70.0)]);
    let trace = decider.explain(SourceTime(53.0));
    assert_eq!(
        (trace.level.dead_air, trace.level.quiet, trace.level.quiet_below),
        (Some(DeadAirCause::Silence), Seconds(2.0), -57.0)
    );
    assert_eq!((trace.comparison, trace.held), (None, None));
}

proptest! {
    /// The trace gives a reason exactly when the verdict changes.
    #[test]
    fn the_trace_agrees_with_the_decision(
        pieces in prop::collection::vec(
            (
                prop::array::uniform3(0.0_f32..=1.0),
                prop_oneof![3 => Just(None), 1 => Just(Some(MUSIC)), 1 => Just(Some(SPEECH)), 1 => Just(Some(NOISE))],
                prop_oneof![6 => Just(LOUD), 1 => Just(-70.0_f32), 1 => Just(f32::NAN)],
                prop_oneof![8 => 0.25_f64..3.0, 1 => -10.0_f64..100.0],
                1..30_usize,
            ),
            1..12,
        )
    ) {
        let mut decider = decider();
        let mut time = 0.0;
        for (posteriors, gate, lufs_s, hop, count) in pieces {
            for _ in 0..count {
                time += hop;
                let before = decider.verdict();
                decider.observe(observation(time, &posteriors, gate, Level::of_loudness(lufs_s)));
                check_trace(&decider, time, before)?;
            }
        }
    }
}
