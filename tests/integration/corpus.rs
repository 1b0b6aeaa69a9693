//! The assertions of the fuzz targets hold for the committed corpus: fuzz targets stay in working
//! order, and past findings do not recur.

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub)]
mod targets;

use std::path::Path;

/// Runs `target` on every file of its corpus, which must have at least `least` files.
fn corpus(target: &str, least: usize, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        println!("{}", path.display());
        run(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= least, "{count} files");
}

#[test]
fn icy() {
    corpus("icy", 6, targets::icy::run);
}

#[test]
fn playlist() {
    corpus("playlist", 8, targets::playlist::run);
}

#[test]
fn head() {
    corpus("head", 7, targets::head::run);
}

#[test]
fn m3u8() {
    corpus("m3u8", 4, targets::m3u8::run);
}

#[test]
fn segments() {
    corpus("segments", 6, targets::segments::run);
}

#[test]
fn runs() {
    corpus("runs", 3, targets::runs::run);
}

#[test]
fn decode() {
    corpus("decode", 18, targets::decode::run);
}

/// The seeds are valid, so that fuzzing reaches the decoders.
#[test]
fn the_seeds_of_decode_are_heard() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/decode");
    let mut silent = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let mut seconds = 0.0;
        let stream = std::fs::File::open(&path).unwrap();
        let outcome = genred::source::fuzz_api::decode_stream(stream, &mut |block, _| {
            seconds += block.rate.seconds(block.span.len());
            true
        });
        // Files of past findings are excluded.
        let is_seed = path.extension().is_some();
        if is_seed && (outcome.is_err() || seconds < 0.15) {
            silent.push(format!("{}: {seconds} s, {outcome:?}", path.display()));
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

/// Past findings are rejected without excessive time or memory.
#[test]
fn findings_are_refused() {
    for (name, part) in
        [("endless-trun", ""), ("absurd-channels", "more than 64 channels"), ("endless-box", "malformed")]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/decode").join(name);
        let stream = std::fs::File::open(path).unwrap();
        let error =
            genred::source::fuzz_api::decode_stream(stream, &mut |_, _| true).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: {error}");
    }
}

/// Not every file of `runs` is a single run.
#[test]
fn the_seeds_of_runs_change() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/runs/moved");
    let stream = std::fs::read(file).unwrap();
    assert_eq!(targets::runs::cut(&stream[2..], &[], &[]).len(), 3);
}

/// The files of `segments` have the expected content.
#[test]
fn the_seeds_of_segments_hold_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/segments");
    for name in ["transport", "changes", "lost", "mp4", "packed", "described", "cut-frames", "cut-packets"] {
        let found = targets::segments::unpack(&std::fs::read(folder.join(name)).unwrap());
        assert!(found.iter().all(Result::is_ok), "{name}: {found:?}");
        assert!(found.iter().flatten().any(|sound| !sound.is_empty()), "{name}");
    }
}
