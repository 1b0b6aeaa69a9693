//! Copies of the shipped bundle with a gate for tests.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Number of values of the shipped bundle's embedding.
pub(crate) const DIM: usize = 624;

/// A gate for a copy of the bundle.
pub(crate) struct Gate<'a> {
    pub kind: &'a str,
    pub labels: &'a [&'a str],
    /// `[labels, DIM]`, row-major.
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    /// Adds the files to the manifest.
    pub signed: bool,
}

impl Gate<'_> {
    /// Creates a gate with the same posteriors for any audio: the softmax of `bias`.
    pub(crate) fn constant<'a>(labels: &'a [&'a str], bias: &[f32]) -> Gate<'a> {
        Gate {
            kind: "single",
            labels,
            weight: vec![0.0; DIM * labels.len()],
            bias: bias.to_vec(),
            signed: true,
        }
    }
}

/// Copies the bundle to `folder` and replaces its gate by `gate`.
pub(crate) fn copy_with_gate(folder: &Path, gate: &Gate<'_>) {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/musicnn-msd");
    copy(&bundle, folder);
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (weight, bias) = (bytes(&gate.weight), bytes(&gate.bias));
    let view = |shape: Vec<usize>, data| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, data).unwrap()
    };
    let units = gate.bias.len();
    let tensors = [("weight", view(vec![units, DIM], &weight)), ("bias", view(vec![units], &bias))];
    let weights = safetensors::serialize(tensors, None).unwrap();
    let toml = format!(
        "name = 'gate'\nkind = '{}'\nembedding_id = 'musicnn-msd-dense-pooled'\nweights = 'gate.safetensors'\n\
         labels = {:?}\n[calibration]\nkind = 'temperature'\ntemperature = 1.0\n",
        gate.kind, gate.labels
    );
    let manifest = folder.join("manifest.toml");
    let mut lines: Vec<String> = fs::read_to_string(&manifest)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("\"heads/gate."))
        .map(str::to_owned)
        .collect();
    let checksums = lines.iter().position(|line| line == "[checksums]").unwrap() + 1;
    for (name, bytes) in [("gate.toml", toml.as_bytes()), ("gate.safetensors", &weights)] {
        fs::write(folder.join("heads").join(name), bytes).unwrap();
        if gate.signed {
            lines.insert(checksums, format!("\"heads/{name}\" = \"{}\"", sha256(bytes)));
        }
    }
    fs::write(manifest, lines.join("\n") + "\n").unwrap();
    forget_golden_scores(folder);
}

/// Copies the bundle to `folder`, with the published network in place of the windowed trunk: the
/// same function, at fifteen times the cost.
pub(crate) fn copy_with_reference(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    copy(&root.join("models/musicnn-msd"), folder);
    let (file, manifest) = (folder.join("windowed.onnx"), folder.join("manifest.toml"));
    let (old, new) = (fs::read(&file).unwrap(), fs::read(root.join("training/reference.onnx")).unwrap());
    let text = fs::read_to_string(&manifest).unwrap();
    assert!(text.contains(&sha256(&old)));
    fs::write(manifest, text.replace(&sha256(&old), &sha256(&new))).unwrap();
    fs::write(file, new).unwrap();
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The golden scores of the shipped gate do not apply to another one.
fn forget_golden_scores(folder: &Path) {
    let file: PathBuf = folder.join("golden/golden.safetensors");
    let bytes = fs::read(&file).unwrap();
    let golden = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let kept = golden.tensors().into_iter().filter(|(name, _)| !name.ends_with("scores.gate"));
    let written = safetensors::serialize(kept, None).unwrap();
    let manifest = folder.join("manifest.toml");
    let text = fs::read_to_string(&manifest).unwrap().replace(&sha256(&bytes), &sha256(&written));
    fs::write(manifest, text).unwrap();
    fs::write(file, written).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}
