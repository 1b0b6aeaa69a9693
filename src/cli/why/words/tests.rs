//! What is said of each kind of moment.

use super::*;
use crate::sink::samples;

fn text(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("{:10}{}\n", row.heading, row.text)).collect()
}

fn because_of(change: impl FnOnce(&mut Trace)) -> String {
    let mut trace = samples::trace();
    change(&mut trace);
    because(&trace).text
}

fn choice(trace: &mut Trace) -> &mut Choice {
    trace.choice.as_mut().unwrap()
}

#[test]
fn a_block() {
    insta::assert_snapshot!(text(&block("fm1", &samples::trace())), @r#"
source    fm1, patch 186 at 14:03:07Z
patch     jazz 0.41, rock 0.38, blues 0.21
gate      music 0.97, speech 0.02, noise 0.01
level     -14.2 LUFS, quiet below -60
evidence  jazz 29.5 s (0.46), rock 17.5 s (0.27), blues 14.3 s (0.22), speech 2 s (0.03) of 64.3 s, in 1 min 8 s since the last change
change    sum 0 of 1.5 s; the patch is 0.38 away, more than 0.57 speaks for a change
says      rock since 14:01:59Z (1 min 8 s)
"#);
    let mut trace = samples::trace();
    trace.gate = None;
    trace.weighed = false;
    trace.level = crate::sink::payload::trace::Level { lufs_s: -63.04, quiet_s: 1.0, ..trace.level };
    trace.run = Run { seconds: 0.0, ..trace.run };
    insta::assert_snapshot!(text(&block("fm1", &trace)), @r#"
source    fm1, patch 186 at 14:03:07Z
patch     jazz 0.41, rock 0.38, blues 0.21 (not counted)
level     -63.0 LUFS, quiet below -60; quiet for 1 s, silence after 2 s
says      rock since 14:01:59Z (1 min 8 s)
"#);
}

#[test]
fn another_leads_the_held_one_by_too_little() {
    insta::assert_snapshot!(because_of(|_| {}), @r#"says rock because it led when it was chosen, and jazz leads it by only 12 s of evidence, where 150 s would replace it; would say jazz once it leads by 138 s more, or soon after the sound changes"#);
    insta::assert_snapshot!(because_of(|trace| {
        choice(trace).ahead = -17.0;
        choice(trace).share = 0.12;
    }), @r#"says rock because it has the most evidence, 17 s more than jazz; would say another soon after the sound changes, or without that jazz once it leads by 150 s and has 0.15 of the evidence"#);
}

#[test]
fn what_is_new_waits_to_be_decided() {
    insta::assert_snapshot!(because_of(|trace| {
        trace.run.sum = 1.097;
        trace.run.waiting = 1.0;
    }), @r#"says rock because it led when it was chosen, and jazz leads it by only 12 s of evidence, where 150 s would replace it; would say jazz once it leads by 138 s more, or soon after the sound changes; the newest 1 s sound unlike that, jazz first, and are a change once the sum is 1.5 s (1.1 now)"#);
}

#[test]
fn what_has_just_been_decided() {
    insta::assert_snapshot!(because_of(|trace| {
        trace.run.changed = true;
        trace.held = Some("jazz".into());
        trace.published.genre = "jazz".into();
        *choice(trace) = Choice { rule: Rule::Lead, against: "blues".into(), ahead: 1.1, needed: 0.75, passes: true, ..choice(trace).clone() };
    }), @r#"says jazz because the sound has changed, and jazz leads blues since by 1.1 s of evidence (0.75 s needed); would say another when the sound changes, or that leads far enough"#);
    insta::assert_snapshot!(because_of(|trace| {
        trace.held = Some("jazz".into());
        trace.published.genre = "jazz".into();
        *choice(trace) = Choice { ahead: 150.4, passes: true, ..choice(trace).clone() };
    }), @r#"says jazz because jazz has come to lead rock by 150.4 s of evidence (150 s needed); would say another when the sound changes, or that leads far enough"#);
    insta::assert_snapshot!(because_of(|trace| {
        *choice(trace) = Choice { rule: Rule::Lead, candidate: "rock".into(), against: "jazz".into(), ahead: 0.8, needed: 0.75, passes: true, ..choice(trace).clone() };
    }), @r#"says rock because it did before the sound changed, and again leads jazz by 0.8 s of evidence (0.75 s needed); would say another when the sound changes, or that leads far enough"#);
}

#[test]
fn what_was_said_before_is_carried() {
    let carried = |trace: &mut Trace| {
        trace.settled = false;
        trace.carried_for = Some(37.0);
        trace.run.age = 3.0;
        *choice(trace) = Choice {
            rule: Rule::Lead,
            against: "blues".into(),
            ahead: 0.4,
            needed: 1.103,
            ..choice(trace).clone()
        };
    };
    insta::assert_snapshot!(because_of(carried), @r#"says rock because it did before the sound changed 3 s ago, and since then jazz leads blues by only 0.4 s of evidence, and 1.1 s is needed; keeps to it for 37 s more at most; would say jazz once it leads blues by 0.7 s more"#);
    insta::assert_snapshot!(because_of(|trace| {
        carried(trace);
        choice(trace).candidate = "rock".into();
    }), @r#"says rock because it did before the sound changed 3 s ago, and since then rock leads blues by only 0.4 s of evidence, and 1.1 s is needed; keeps to it for 37 s more at most; would stay with rock once it leads blues by 0.7 s more"#);
}

#[test]
fn nothing_is_held() {
    let uncertain = |trace: &mut Trace| {
        trace.held = None;
        trace.settled = false;
        trace.published.state = "uncertain".into();
        trace.published.genre = "uncertain".into();
        *choice(trace) = Choice {
            rule: Rule::Lead,
            against: "blues".into(),
            ahead: 0.4,
            needed: 0.75,
            ..choice(trace).clone()
        };
    };
    insta::assert_snapshot!(because_of(uncertain), @r#"says uncertain because jazz leads blues by only 0.4 s of evidence, and 0.75 s is needed; would say jazz once it leads blues by 0.35 s more"#);
    insta::assert_snapshot!(because_of(|trace| {
        uncertain(trace);
        choice(trace).ahead = 1.0;
        choice(trace).share = 0.12;
    }), @r#"says uncertain because jazz, which leads, has only 0.12 of the evidence, and 0.15 is needed; would say jazz once it has 0.15 of the evidence"#);
    insta::assert_snapshot!(because_of(|trace| {
        uncertain(trace);
        trace.choice = None;
    }), @r#"says uncertain because nothing has been heard yet that it could tell by"#);
    insta::assert_snapshot!(because_of(|trace| {
        uncertain(trace);
        trace.choice = None;
        trace.level.lufs_s = -65.0;
        trace.level.quiet_s = 0.5;
    }), @r#"says uncertain because all that it has heard since is too quiet to tell; silence in 1.5 s if it stays as quiet"#);
}

#[test]
fn silence() {
    insta::assert_snapshot!(because_of(|trace| {
        trace.published.state = "silence".into();
        trace.published.genre = "silence".into();
        trace.held = None;
        trace.choice = None;
        trace.level = crate::sink::payload::trace::Level { lufs_s: -70.0, quiet_below: -57.0, quiet_s: 5.0, dead_air: Some("silence".into()), ..trace.level };
    }), @r#"says silence because it has been quiet for 5 s (2 s needed); would say something else at -57 LUFS, and has -70.0"#);
    let stuck = |trace: &mut Trace, by: &str| {
        trace.published.state = "noise".into();
        trace.published.genre = "noise".into();
        (trace.held, trace.choice) = (None, None);
        let level = &mut trace.level;
        (level.dead_air, level.tone_s, level.repeated_s) = (Some(by.into()), 14.25, 31.0);
    };
    insta::assert_snapshot!(because_of(|trace| stuck(trace, "tone")), @"says noise because it has been one pure tone for 14.3 s");
    insta::assert_snapshot!(because_of(|trace| stuck(trace, "loop")), @"says noise because the same sound has come again and again for 31 s");
    insta::assert_snapshot!(because_of(|trace| trace.level.quiet_s = 0.5), @r#"says rock because it led when it was chosen, and jazz leads it by only 12 s of evidence, where 150 s would replace it; would say jazz once it leads by 138 s more, or soon after the sound changes; silence in 1.5 s if it stays as quiet"#);
}

#[test]
fn any_genre_can_be_asked_for() {
    let about = |genre: &str, trace: &Trace| about(genre, trace).map(|row| row.text);
    let trace = samples::trace();
    insta::assert_snapshot!(about("blues", &trace).unwrap(), @r#"blues: 0.21 in this patch, 3 of 3; 14.3 s of evidence (0.22), 3 of 5; 3.25 s behind rock, and must lead it by 150 s, or be ahead after a change"#);
    insta::assert_snapshot!(about("jazz", &trace).unwrap(), @r#"jazz: 0.41 in this patch, 1 of 3; 29.5 s of evidence (0.46), 1 of 5; 12 s ahead of rock, and must lead it by 150 s, or be ahead after a change"#);
    insta::assert_snapshot!(about("rock", &trace).unwrap(), @r#"rock: 0.38 in this patch, 2 of 3; 17.5 s of evidence (0.27), 2 of 5; it is held"#);
    insta::assert_snapshot!(about("speech", &trace).unwrap(), @r#"speech: told by the gate; 2 s of evidence (0.03), 4 of 5; 15.5 s behind rock, and must lead it by 150 s, or be ahead after a change"#);
    assert_eq!(about("polka", &trace), None);
    let mut trace = trace;
    trace.held = None;
    trace.choice =
        Some(Choice { rule: Rule::Lead, against: "rock".into(), needed: 14.0, ..trace.choice.unwrap() });
    insta::assert_snapshot!(about("jazz", &trace).unwrap(), @r#"jazz: 0.41 in this patch, 1 of 3; 29.5 s of evidence (0.46), 1 of 5; 12 s ahead of rock, and must lead it by 14 s"#);
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
        Source { name: "fm1".into(), source_name: "FM 1".into(), published: None, changes: Vec::new() };
    insta::assert_snapshot!(text(&waiting(&source)), @r#"
source    fm1
→         says nothing yet; waiting for a patch
"#);
    let on = Source { published: Some(samples::published()), ..source };
    assert_eq!(now(&on), "rock since 14:01:59Z");
}
