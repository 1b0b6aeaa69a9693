//! Tests of the retrospective segments.

use super::*;

/// Final segments: start, end and genre.
fn finals(decider: &mut Decider) -> Vec<(f64, f64, String)> {
    let found = decider.final_segments();
    found.iter().map(|of| (of.start.0, of.end.0, decider.genre(of.verdict).to_string())).collect()
}

fn segment(start: f64, end: f64, genre: &str) -> (f64, f64, String) {
    (start, end, genre.to_owned())
}

#[test]
fn a_change_point_lies_at_its_true_time() {
    let mut decider = decider();
    // The first patch lies between 0 and 3 s. The 20th is the first that is mostly jazz: its middle
    // is 20.5 s, that of the one before 19.5 s.
    let log = script(&mut decider, 3.0, 1.0, &[music(ROCK, 19), music(JAZZ, 11)].concat());
    assert_says(&log, &[(3.0..=7.0, "genre uncertain → rock"), (23.0..=27.0, "genre rock → jazz")]);
    assert_eq!(finals(&mut decider), []);
    decider.finish();
    assert_eq!(finals(&mut decider), [segment(0.0, 20.0, "rock"), segment(20.0, 32.0, "jazz")]);
    decider.finish();
    assert!(finals(&mut decider).is_empty());
}

#[test]
fn a_wrong_first_label_is_corrected_in_the_log() {
    let mut decider = decider();
    // Rock leads first and is held. Jazz has the larger share of the segment, but not by the
    // margin.
    let mixed = [[0.75, 0.15, 0.1]; 4].into_iter().chain([[0.2, 0.7, 0.1]; 40]);
    let patches: Vec<ScriptedPatch> = mixed.map(|posteriors| (posteriors, None, LOUD)).collect();
    let log = script(&mut decider, 3.0, 1.0, &patches);
    assert!(log[0].ends_with("→ rock"), "{log:?}");
    decider.finish();
    let found = finals(&mut decider);
    assert_eq!(found[found.len() - 1].2, "jazz");
    assert!(found[found.len() - 1].0 <= 8.0, "{found:?}");
}

#[test]
fn long_segments_become_final_in_parts_without_gaps() {
    let mut decider = decider();
    let patches: Vec<ScriptedPatch> =
        [[0.6, 0.3, 0.1]; 150].iter().chain(&[[0.3, 0.6, 0.1]; 150]).map(|p| (*p, None, LOUD)).collect();
    script(&mut decider, 3.0, 1.0, &patches[..140]);
    let mut found = finals(&mut decider);
    assert_eq!(found, [segment(0.0, 60.0, "rock")], "two minutes, of which the newest is not");
    script(&mut decider, 143.0, 1.0, &patches[140..]);
    decider.finish();
    found.extend(finals(&mut decider));
    assert!(found.windows(2).all(|pair| pair[0].1 == pair[1].0), "{found:?}");
    assert_eq!((found[0].0, found[found.len() - 1].1), (0.0, 302.0));
    let change = found.iter().find(|of| of.2 == "jazz").unwrap().0;
    assert!((130.0..=160.0).contains(&change), "{found:?}");
    assert!(found.iter().all(|of| (of.2 == "jazz") == (of.0 >= change)), "{found:?}");
}

#[test]
fn silence_begins_at_its_true_time_in_the_log() {
    let mut decider = decider();
    let quiet = |seconds| vec![(ROCK, None, -70.0); seconds];
    // The loudness of 3 s falls below the threshold once all of them are quiet: with the patch that
    // ends at 13 s.
    let patches = [music(ROCK, 10), quiet(130), music(JAZZ, 10)].concat();
    let log = script(&mut decider, 3.0, 1.0, &patches);
    assert!(log.contains(&"15: dead air started: silence".to_owned()), "{log:?}");
    assert_eq!(
        finals(&mut decider),
        [segment(0.0, 10.0, "rock"), segment(10.0, 130.0, "silence"), segment(130.0, 142.0, "silence")]
    );
    // A lost source has no segment; the next one begins with the next patch.
    assert!(!decider.lose(None).is_empty());
    assert_eq!(finals(&mut decider), [segment(142.0, 152.0, "jazz")]);
    script(&mut decider, 203.0, 1.0, &music(ROCK, 10));
    decider.finish();
    assert_eq!(finals(&mut decider), [segment(200.0, 212.0, "rock")]);
}
