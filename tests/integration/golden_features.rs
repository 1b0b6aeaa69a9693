//! Front end against independent references: librosa 0.11, and YAMNet's front end in NumPy.
//! `tests/golden/golden_features.py` wrote the goldens; `scripts/fetch_audio.sh` cuts the clips.

use std::fs::File;
use std::path::PathBuf;

use crate::support::clips::{digest, read_clip};
use genred::audio::SampleRate;
use genred::dsp::{Compression, LogMelParams, MelNorm, MelScale, Reference, Spectrum, log_mel, mel_filters};
use ndarray::{Array1, Array2};
use ndarray_npy::{NpzReader, ReadableElement};

/// Maximum and mean absolute difference.
#[derive(Debug, Clone, Copy)]
struct Difference {
    max: f64,
    mean: f64,
    /// Range of the golden's values.
    range: f64,
}

fn compare(ours: &Array2<f32>, golden: &Array2<f32>, what: &str) -> Difference {
    assert_eq!(ours.dim(), golden.dim(), "{what}");
    let differences = ours.iter().zip(golden).map(|(a, b)| f64::from((a - b).abs()));
    let (max, sum) = differences.fold((0.0, 0.0), |(max, sum), d| (f64::max(max, d), sum + d));
    let ends = golden.iter().fold((f32::MAX, f32::MIN), |(l, h), &x| (l.min(x), h.max(x)));
    Difference { max, mean: sum / ours.len() as f64, range: f64::from(ends.1 - ends.0) }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn goldens(name: &str) -> NpzReader<File> {
    let path = root().join("tests/golden").join(name);
    NpzReader::new(File::open(&path).unwrap_or_else(|e| panic!("`{}`: {e}", path.display()))).unwrap()
}

fn vector<T: ReadableElement + Clone>(npz: &mut NpzReader<File>, name: &str) -> Vec<T> {
    let array: Array1<T> = npz.by_name(name).unwrap_or_else(|e| panic!("golden `{name}`: {e}"));
    array.to_vec()
}

fn matrix(npz: &mut NpzReader<File>, name: &str) -> Array2<f32> {
    npz.by_name(name).unwrap_or_else(|e| panic!("golden `{name}`: {e}"))
}

fn to_float(pcm: &[i16]) -> Vec<f32> {
    pcm.iter().map(|&x| f32::from(x) / 32_768.0).collect()
}

/// Parameter sets by their names in the script.
fn parameters(name: &str) -> LogMelParams {
    let base = LogMelParams::musicnn();
    let db = |reference, amin, top_db| Compression::PowerToDb { reference, amin, top_db };
    match name {
        "musicnn" => base,
        "yamnet" => LogMelParams::yamnet(),
        "htk" => LogMelParams { mel_scale: MelScale::Htk, bands: 64, f_min: 20.0, f_max: 7600.0, ..base },
        "no_norm" => LogMelParams { mel_norm: MelNorm::None, bands: 40, ..base },
        "magnitude" => LogMelParams { spectrum: Spectrum::Magnitude, ..base },
        "uncentred" => LogMelParams { centred: false, bands: 40, ..base },
        "short_taper" => LogMelParams { taper_length: 400, hop_length: 160, bands: 40, ..base },
        "long_fft" => LogMelParams {
            fft_size: 2048,
            taper_length: 2048,
            hop_length: 512,
            bands: 128,
            f_min: 40.0,
            ..base
        },
        "db" => LogMelParams { compression: db(Reference::Value(1.0), 1e-10, None), ..base },
        "db_reference" => {
            LogMelParams { compression: db(Reference::Value(0.02), 1e-5, None), bands: 40, ..base }
        }
        "db_max" => LogMelParams { compression: db(Reference::Max, 1e-10, Some(80.0)), bands: 40, ..base },
        other => panic!("no parameter set `{other}`"),
    }
}

const SETS: [&str; 11] = [
    "musicnn",
    "yamnet",
    "htk",
    "no_norm",
    "magnitude",
    "uncentred",
    "short_taper",
    "long_fft",
    "db",
    "db_reference",
    "db_max",
];

#[test]
fn filter_banks_are_librosas_and_tensorflows() {
    let mut npz = goldens("filters.npz");
    for (name, mel_scale, mel_norm) in [
        ("slaney_slaney", MelScale::Slaney, MelNorm::Slaney),
        ("slaney_none", MelScale::Slaney, MelNorm::None),
        ("htk_slaney", MelScale::Htk, MelNorm::Slaney),
        ("htk_none", MelScale::Htk, MelNorm::None),
        ("yamnet", MelScale::Htk, MelNorm::None),
    ] {
        let params = match name {
            "yamnet" => LogMelParams::yamnet(),
            _ => LogMelParams { mel_scale, mel_norm, ..LogMelParams::musicnn() },
        };
        let golden = matrix(&mut npz, name);
        let ours = mel_filters(&params);
        let peak = f64::from(golden.iter().copied().fold(0.0, f32::max));
        assert_eq!(ours.len(), golden.len());
        for (a, &b) in ours.iter().zip(&golden) {
            assert!((a - f64::from(b)).abs() <= 2e-6 * peak, "{name}: {a} {b}");
        }
    }
}

#[test]
fn synthetic_signals_come_out_as_librosas_and_yamnets() {
    let mut npz = goldens("synthetic.npz");
    for signal in ["sweep", "impulse", "noise", "silence", "clipped_square", "dc"] {
        let samples = to_float(&vector::<i16>(&mut npz, &format!("{signal}/pcm")));
        for set in SETS {
            let name = format!("{signal}/{set}");
            let ours = log_mel(&samples, &parameters(set)).unwrap();
            let difference = compare(&ours, &matrix(&mut npz, &name), &name);
            println!("{name:28} {difference:?}");
            // Next to a loud, pure tone, other bins hold only rounding errors, 1e-7 of its
            // magnitude. For powers, `1 +` in log10 hides them; in magnitudes and decibels they
            // show. TensorFlow's single-precision YAMNet deviates as much from double precision,
            // 3.4e-3 on the sweep.
            let tolerance = match (signal, set) {
                ("sweep" | "dc", "yamnet") => 5e-3,
                ("sweep" | "dc", "magnitude") => 1e-3,
                ("sweep" | "dc", "db" | "db_reference" | "db_max") => 0.5,
                _ => 1e-4,
            };
            assert!(difference.max <= tolerance, "{name}: {difference:?}");
        }
    }
}

#[test]
fn real_music_comes_out_as_librosas_and_yamnets() {
    let mut npz = goldens("clips.npz");
    let mut names: Vec<String> = npz.names().unwrap();
    names.retain(|name| !name.contains("sha256"));
    assert!(names.iter().filter(|name| name.contains("/musicnn")).count() == 10, "{names:?}");
    for name in names {
        let name = name.trim_end_matches(".npy");
        let (clip, set) = name.split_once('/').unwrap();
        let expected = vector::<u8>(&mut npz, &format!("{clip}/sha256"));
        let samples = to_float(&known_clip(clip, &expected));
        let ours = log_mel(&samples, &parameters(set)).unwrap();
        let difference = compare(&ours, &matrix(&mut npz, name), name);
        println!("{name:28} {difference:?}");
        assert!(difference.max <= 1e-4 * difference.range, "{name}: {difference:?}");
        assert!(difference.mean <= 1e-6 * difference.range, "{name}: {difference:?}");
        if set == "musicnn" {
            assert!(difference.max <= 1e-3 && difference.mean <= 1e-5, "{name}: {difference:?}");
        }
    }
}

/// Samples of a clip, verified to be those of the goldens.
fn known_clip(name: &str, expected: &[u8]) -> Vec<i16> {
    let pcm = read_clip(name);
    assert_eq!(
        digest(&pcm),
        expected,
        "`{name}` was cut differently from the clip that the goldens were made of; delete .cache/test-audio/clips and \
         run scripts/fetch_audio.sh, and if it stays so (another ffmpeg), run tests/golden/golden_features.py"
    );
    pcm
}

#[test]
fn the_named_front_ends_are_at_16_khz() {
    for name in ["musicnn", "yamnet"] {
        assert_eq!(Some(parameters(name).sample_rate), SampleRate::new(16_000));
    }
}
