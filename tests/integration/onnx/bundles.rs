//! Refusal of bundles whose parts do not fit each other; the error names the part and the reason.

use std::fs;

use genred::model::{Model, TrunkKind};
use safetensors::SafeTensors;

use super::{bundle, config, sha256};

/// A copy of the bundle, to be modified.
struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["heads", "golden"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        for file in [
            "manifest.toml",
            "streamed.onnx",
            "pooling.safetensors",
            "windowed.onnx",
            "golden/golden.safetensors",
            "heads/genres.toml",
            "heads/genres.safetensors",
            "heads/tags.toml",
            "heads/tags.safetensors",
        ] {
            fs::copy(bundle().join(file), folder.path().join(file)).unwrap();
        }
        Self { folder }
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(file)).unwrap()
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(file), bytes).unwrap();
    }

    /// Replaces the only occurrence of `from` in a text file.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = String::from_utf8(self.read(file)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`{from}` in `{file}`");
        self.write(file, text.replace(from, to).as_bytes());
    }

    /// Updates the checksum of a file in the manifest.
    fn sign(&self, file: &str) {
        let old = sha256(&fs::read(bundle().join(file)).unwrap());
        self.edit("manifest.toml", &old, &sha256(&self.read(file)));
    }

    fn error(&self) -> String {
        match Model::load(&config(self.folder.path(), TrunkKind::Windowed)) {
            Ok(_) => panic!("the spoilt bundle was accepted"),
            Err(error) => error.to_string(),
        }
    }
}

/// Checks that a copy changed by `spoil` is refused with an error that holds all of `parts`.
fn check(spoil: &dyn Fn(&Copy), parts: &[&str]) {
    let copy = Copy::new();
    spoil(&copy);
    let error = copy.error();
    println!("{error}\n");
    for part in parts {
        assert!(error.contains(part), "no `{part}` in `{error}`");
    }
}

fn manifest(from: &str, to: &str, parts: &[&str]) {
    check(&|copy| copy.edit("manifest.toml", from, to), parts);
}

fn head(from: &str, to: &str, parts: &[&str]) {
    check(
        &|copy| {
            copy.edit("heads/genres.toml", from, to);
            copy.sign("heads/genres.toml");
        },
        parts,
    );
}

#[test]
fn a_copy_is_accepted() {
    Model::load(&config(Copy::new().folder.path(), TrunkKind::Windowed)).unwrap();
}

#[test]
fn other_formats_are_refused() {
    manifest("format = 2\n", "format = 3\n", &["manifest.toml", "format 3", "which reads 2"]);
    // Of an earlier build: other keys are not looked at.
    check(
        &|copy| copy.write("manifest.toml", b"format = 1\n[trunk]\nkind = 'streamed'\n"),
        &["manifest.toml", "format 1", "earlier build", "`genred train`"],
    );
    check(
        &|copy| {
            copy.edit("manifest.toml", "[trunk.windowed]", "[trunk.others]");
        },
        &["manifest.toml", "unknown field `others`"],
    );
}

#[test]
fn a_front_end_that_does_not_fit_is_refused() {
    manifest("bands = 96", "bands = 64", &["`log_mel`", "187, 96]", "the manifest says [batch, 187, 64]"]);
    manifest(
        "frames = 187",
        "frames = 100",
        &["`log_mel`", "187, 96]", "the manifest says [batch, 100, 96]"],
    );
    manifest("sample_rate = 16000", "sample_rate = 8000", &["manifest.toml", "front end: `f_max`"]);
    // Consistent parameters that do not fit the model are detected by the first golden patch.
    for (from, to) in [
        ("sample_rate = 16000", "sample_rate = 22050"),
        ("mel_scale = \"slaney\"", "mel_scale = \"htk\""),
        ("mel_norm = \"slaney\"", "mel_norm = \"none\""),
        ("power = 2.0", "power = 1.0"),
        ("f_max = 8000.0", "f_max = 7600.0"),
        ("scale = 10000.0", "scale = 1000.0"),
        ("centred = true", "centred = false"),
    ] {
        manifest(from, to, &["manifest.toml: `front_end` is not the one that the model was made for"]);
    }
    manifest("hop_length = 256", "hop_length = 0", &["manifest.toml", "front end: `hop_length`"]);
    manifest("taper = \"hann\"", "taper = \"square\"", &["manifest.toml", "unknown variant `square`"]);
    manifest(
        "mel_norm = \"slaney\"",
        "mel_nrom = \"slaney\"",
        &["manifest.toml", "unknown field `mel_nrom`"],
    );
}

#[test]
fn names_and_sizes_that_do_not_fit_are_refused() {
    manifest("dim = 624", "dim = 128", &["genres.toml", "of 128 weights", "9360 weights"]);
    manifest(
        "input = \"log_mel\"            # [batch, frames, bands]",
        "input = \"mel\"",
        &["manifest.toml: the model has no tensor input `mel`"],
    );
    manifest(
        "output = \"embedding\"",
        "output = \"vector\"",
        &["manifest.toml: ", "no tensor output `vector`"],
    );
    manifest(
        "file = \"windowed.onnx\"",
        "file = \"stem.onnx\"",
        &["`stem.onnx` is used but has no checksum"],
    );
    manifest("\"heads/genres.toml\" = ", "\"heads/others.toml\" = ", &["`heads/genres.toml`", "no checksum"]);
}

#[test]
fn changed_and_missing_files_are_refused() {
    let listed = sha256(&fs::read(bundle().join("windowed.onnx")).unwrap());
    check(
        &|copy| {
            let mut bytes = copy.read("windowed.onnx");
            bytes[500_000] ^= 1;
            copy.write("windowed.onnx", &bytes);
        },
        &["`windowed.onnx` has the sha256 ", &format!("the manifest says {}", &listed[..8])],
    );
    check(&|copy| copy.write("windowed.onnx", b""), &["`windowed.onnx` has the sha256 e3b0c442"]);
    check(
        &|copy| fs::remove_file(copy.folder.path().join("heads/tags.safetensors")).unwrap(),
        &["heads/tags.safetensors", "No such file"],
    );
}

#[test]
fn heads_that_do_not_fit_are_refused() {
    head(
        "embedding_id = \"musicnn-msd-dense-pooled\"",
        "embedding_id = \"yamnet\"",
        &["heads/genres.toml", "embedding `yamnet`", "provides `musicnn-msd-dense-pooled`"],
    );
    head("\"jazz\", \"metal\", ", "\"jazz\", ", &["heads/genres.toml", "14 units of 624 weights", "9360"]);
    head("\"jazz\", \"metal\"", "\"jazz\", \"jazz\"", &["heads/genres.toml", "`jazz` is listed twice"]);
    head("kind = \"single\"", "kind = \"single\"\nhidden = 3", &["heads/genres.toml", "`hidden.weight`"]);
    head("\ntemperature = ", "\ntemperature = -", &["heads/genres.toml", "temperature -"]);
}

/// The checksums are right.
#[test]
fn weights_that_do_not_fit_are_refused() {
    // A file with the right checksum that is not a model: the error names the file, not a provider.
    check(
        &|copy| {
            copy.write("windowed.onnx", b"These are not the weights.");
            copy.sign("windowed.onnx");
        },
        &["windowed.onnx"],
    );
    // Right shapes, wrong scores.
    check(
        &|copy| {
            let mut bytes = copy.read("golden/golden.safetensors");
            let at = {
                let tensors = SafeTensors::deserialize(&bytes).unwrap();
                let view = tensors.tensor("windowed.embedding").unwrap();
                view.data().as_ptr() as usize - bytes.as_ptr() as usize
            };
            bytes[at..at + 4].copy_from_slice(&77_f32.to_le_bytes());
            copy.write("golden/golden.safetensors", &bytes);
            copy.sign("golden/golden.safetensors");
        },
        &["the model's `embedding` differs by 7", "golden answers, more than 0.0003"],
    );
}
