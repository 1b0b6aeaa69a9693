//! Explanations of every kind of decision.

use super::*;
use crate::sink::samples;

fn text(rows: &[TextRow]) -> String {
    rows.iter().map(|row| format!("{:10}{}\n", row.heading, row.text)).collect()
}

fn because_of(change: impl FnOnce(&mut TracePayload)) -> String {
    let mut trace = samples::trace();
    change(&mut trace);
    because(&trace).text
}

fn choice(trace: &mut TracePayload) -> &mut ChoicePayload {
    trace.choice.as_mut().unwrap()
}

#[test]
fn a_block() {
    insta::assert_snapshot!(text(&block("fm1", &samples::trace())), @r#"
source    fm1, patch 186 at 14:03:07Z
patch     jazz 0.41, rock 0.38, blues 0.21
gate      music 0.97, speech 0.02, noise 0.01
level     -14.2 LUFS, quiet below -60
sound     jazz 0.46, rock 0.27, blues 0.22, speech 0.03 for 1 min 8 s
change    2 % likely since then; the patch fits the segment before it at 0.33
says      rock since 14:01:59Z (1 min 8 s)
"#);
    let mut trace = samples::trace();
    trace.gate = None;
    trace.weighed = false;
    trace.level = crate::sink::payload::trace::LevelPayload { lufs_s: -63.04, quiet_s: 1.0, ..trace.level };
    trace.sound.states.clear();
    insta::assert_snapshot!(text(&block("fm1", &trace)), @r#"
source    fm1, patch 186 at 14:03:07Z
patch     jazz 0.41, rock 0.38, blues 0.21 (not counted)
level     -63.0 LUFS, quiet below -60; quiet for 1 s, silence after 2 s
says      rock since 14:01:59Z (1 min 8 s)
"#);
}

#[test]
fn another_leads_the_held_one_by_too_little() {
    insta::assert_snapshot!(because_of(|_| {}), @"says rock because jazz leads it in the present sound (1 min 8 s) by only 0.19, and 0.25 is needed; would say jazz once it leads by 0.06 more, or gives it up after 96 s");
    insta::assert_snapshot!(because_of(|trace| {
        trace.sound.changing = 0.31;
    }), @"says rock because jazz leads it in the present sound (1 min 8 s) by only 0.19, and 0.25 is needed; would say jazz once it leads by 0.06 more, or gives it up after 96 s; the newest seconds, jazz first, are something else with a probability of 0.31");
}

#[test]
fn the_held_one_leads() {
    insta::assert_snapshot!(because_of(|trace| {
        trace.kept_for_s = None;
        choice(trace).ahead = -0.17;
    }), @"says rock because it has the largest share of the present sound (1 min 8 s), 0.17 more than jazz; would say another once that leads it by 0.25");
}

#[test]
fn what_has_just_been_decided() {
    insta::assert_snapshot!(because_of(|trace| {
        trace.held = Some("jazz".into());
        trace.kept_for_s = None;
        trace.published.genre = "jazz".into();
        *choice(trace) = ChoicePayload { ahead: 0.31, passes: true, ..choice(trace).clone() };
    }), @"says jazz because in the present sound (1 min 8 s) it leads rock by 0.31 (0.25 needed); would say another once that leads it by as much");
}

#[test]
fn nothing_is_held() {
    let uncertain = |trace: &mut TracePayload| {
        trace.held = None;
        trace.kept_for_s = None;
        trace.published.state = "uncertain".into();
        trace.published.genre = "uncertain".into();
        *choice(trace) = ChoicePayload { against: None, ahead: 0.14, ..choice(trace).clone() };
    };
    insta::assert_snapshot!(because_of(uncertain), @"says uncertain because of the present sound (1 min 8 s) jazz leads an even share of all by only 0.14, and 0.25 is needed; would say jazz once it leads by 0.11 more");
    insta::assert_snapshot!(because_of(|trace| {
        uncertain(trace);
        trace.choice = None;
    }), @"says uncertain because no patch has counted as evidence yet");
    insta::assert_snapshot!(because_of(|trace| {
        uncertain(trace);
        trace.choice = None;
        trace.level.lufs_s = -65.0;
        trace.level.quiet_s = 0.5;
    }), @"says uncertain because the sound is too quiet to count as evidence; silence in 1.5 s if it stays as quiet");
}

#[test]
fn silence() {
    insta::assert_snapshot!(because_of(|trace| {
        trace.published.state = "silence".into();
        trace.published.genre = "silence".into();
        trace.held = None;
        trace.choice = None;
        trace.level = crate::sink::payload::trace::LevelPayload { lufs_s: -70.0, quiet_below: -57.0, quiet_s: 5.0, dead_air: Some("silence".into()), ..trace.level };
    }), @r#"says silence because it has been quiet for 5 s (2 s needed); would say something else at -57 LUFS, and has -70.0"#);
    let stuck = |trace: &mut TracePayload, by: &str| {
        trace.published.state = "noise".into();
        trace.published.genre = "noise".into();
        (trace.held, trace.choice) = (None, None);
        let level = &mut trace.level;
        (level.dead_air, level.tone_s, level.repeated_s) = (Some(by.into()), 14.25, 31.0);
    };
    insta::assert_snapshot!(because_of(|trace| stuck(trace, "tone")), @"says noise because it has been one pure tone for 14.3 s");
    insta::assert_snapshot!(because_of(|trace| stuck(trace, "loop")), @"says noise because the same sound has repeated for 31 s");
    insta::assert_snapshot!(because_of(|trace| trace.level.quiet_s = 0.5), @"says rock because jazz leads it in the present sound (1 min 8 s) by only 0.19, and 0.25 is needed; would say jazz once it leads by 0.06 more, or gives it up after 96 s; silence in 1.5 s if it stays as quiet");
}

#[test]
fn any_genre_can_be_asked_for() {
    let about = |genre: &str, trace: &TracePayload| about(genre, trace).map(|row| row.text);
    let trace = samples::trace();
    insta::assert_snapshot!(about("blues", &trace).unwrap(), @"blues: 0.21 in this patch, 3 of 3; 0.22 of the present sound, 3 of 5; 0.05 behind rock, and must lead it by 0.25");
    insta::assert_snapshot!(about("jazz", &trace).unwrap(), @"jazz: 0.41 in this patch, 1 of 3; 0.46 of the present sound, 1 of 5; 0.19 ahead of rock, and must lead it by 0.25");
    insta::assert_snapshot!(about("rock", &trace).unwrap(), @"rock: 0.38 in this patch, 2 of 3; 0.27 of the present sound, 2 of 5; it is held");
    insta::assert_snapshot!(about("speech", &trace).unwrap(), @"speech: from the gate; 0.03 of the present sound, 4 of 5; 0.24 behind rock, and must lead it by 0.25");
    assert_eq!(about("polka", &trace), None);
    let mut trace = trace;
    trace.held = None;
    insta::assert_snapshot!(about("jazz", &trace).unwrap(), @"jazz: 0.41 in this patch, 1 of 3; 0.46 of the present sound, 1 of 5; 0.26 ahead of an even share of all, and must lead it by 0.25");
}

#[test]
fn numbers_are_short() {
    for (value, expected) in
        [(0.748, "0.75"), (1.0, "1"), (-0.001, "0"), (149.96, "150"), (12.34, "12.3"), (-60.0, "-60")]
    {
        assert_eq!(number(value), expected);
    }
    for (value, expected) in [(0.4, "0 s"), (68.0, "1 min 8 s"), (7300.0, "2 h 1 min"), (-3.0, "0 s")] {
        assert_eq!(duration(value), expected);
    }
    let source =
        TracedSource { name: "fm1".into(), source_name: "FM 1".into(), published: None, changes: Vec::new() };
    insta::assert_snapshot!(text(&waiting(&source)), @r#"
source    fm1
→         says nothing yet; waiting for a patch
"#);
    let on = TracedSource { published: Some(samples::published()), ..source };
    assert_eq!(now(&on), "rock since 14:01:59Z");
}
