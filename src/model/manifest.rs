//! The bundle's manifest: front end, trunk, checksums.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::ModelError;
use crate::audio::SampleRate;
use crate::dsp::{Compression, LogMelParams, MelNorm, MelScale, MelSlope, Spectrum, Taper, TaperPadding};

/// The only manifest format so far.
const FORMAT: u32 = 1;

/// `manifest.toml`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// Bundle name.
    pub name: String,
    /// Bundle version.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// SPDX expression of the weights.
    pub licence: String,
    /// Where the weights came from.
    pub sources: Vec<String>,
    front_end: RawFrontEnd,
    patch: RawPatch,
    /// The network.
    pub trunk: TrunkEntry,
    /// Patches with known answers.
    pub golden: GoldenEntry,
    /// What its weights were fitted to.
    #[serde(default)]
    pub training: TrainingEntry,
    checksums: BTreeMap<String, String>,
}

/// `[training]`: what an evaluation must not be made of. Other keys say how the training went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct TrainingEntry {
    /// In words.
    #[serde(default)]
    pub material: String,
    /// Ids of tracks, `DATASET:TRACK` or as they are.
    #[serde(default)]
    pub tracks: Vec<String>,
    /// Hashes of decoded recordings, lower-case hexadecimal digits; `docs/evaluation.md` says of what.
    #[serde(default)]
    pub pcm_sha256: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFrontEnd {
    sample_rate: u32,
    fft_size: usize,
    hop_length: usize,
    taper: Taper,
    taper_length: usize,
    #[serde(default)]
    taper_padding: TaperPadding,
    centred: bool,
    power: f64,
    bands: usize,
    mel_scale: MelScale,
    #[serde(default)]
    mel_slope: MelSlope,
    mel_norm: MelNorm,
    f_min: f64,
    f_max: f64,
    compression: RawCompression,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum RawCompression {
    Log10OnePlus { scale: f64 },
    LnPlus { offset: f64 },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPatch {
    frames: usize,
}

/// How the trunk turns frames into an embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrunkKind {
    /// The whole patch in, its embedding out.
    Windowed,
}

/// `[trunk]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkEntry {
    /// How it is run.
    pub kind: TrunkKind,
    /// What is scored.
    pub file: String,
    /// The larger network that it was derived from.
    pub reference: Option<String>,
    /// Input name, `[batch, frames, bands]`.
    pub input: String,
    /// Output name, `[batch, embedding_dim]`.
    pub embedding: String,
    /// Output name of the network's own labels, unused when scoring.
    pub activations: Option<String>,
    /// What heads must be made for.
    pub embedding_id: String,
    /// Values of an embedding.
    pub embedding_dim: usize,
    /// Frames of context on either side.
    pub halo: usize,
    /// How far it looks ahead, in milliseconds.
    pub lookahead_ms: f64,
    /// Largest difference to the reference's embedding.
    pub tolerance: f32,
}

/// `[golden]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenEntry {
    /// Tensors `log_mel`, `embedding` and `scores.<head>`.
    pub file: String,
    /// Largest absolute difference that passes.
    pub tolerance: f32,
}

/// A manifest with the folder that it describes.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The folder.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// The front end that its trunk expects.
    pub front_end: LogMelParams,
}

impl Bundle {
    /// Finds a bundle by name or path and reads its manifest.
    ///
    /// A name is looked for under `GENRED_MODELS`, `<exe>/../../models` and `/usr/share/genred/models`.
    ///
    /// # Errors
    /// When there is none (the places tried are named), or its manifest does not fit.
    pub fn open(name: &str) -> Result<Self, ModelError> {
        let folder = locate(name)?;
        let file = folder.join("manifest.toml");
        let wrong = |what: String| ModelError::Manifest { file: file.clone(), what };
        let text = std::fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
        let manifest: Manifest = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(wrong(format!(
                "format {} is not known to this version, which reads {FORMAT}",
                manifest.format
            )));
        }
        let front_end = manifest.front_end.params().map_err(&wrong)?;
        if !(2..=100_000).contains(&manifest.patch.frames) {
            return Err(wrong(format!("patch.frames is {}, not 2 to 100000", manifest.patch.frames)));
        }
        let is_digest = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(stray) = manifest.training.pcm_sha256.iter().find(|text| !is_digest(text)) {
            return Err(wrong(format!("training.pcm_sha256 holds `{stray}`, not 64 hexadecimal digits")));
        }
        Ok(Self { folder, manifest, front_end })
    }

    /// Frames of a patch.
    pub fn patch_frames(&self) -> usize {
        self.manifest.patch.frames
    }

    /// Names of the heads that lie in the bundle, sorted.
    pub fn heads(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.join("heads"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// Reads a file of the bundle and compares it with its checksum.
    ///
    /// # Errors
    /// When it is not listed, cannot be read, or differs.
    pub fn read(&self, relative: &str) -> Result<Vec<u8>, ModelError> {
        let file = self.folder.join("manifest.toml");
        let wrong = |what: String| ModelError::Manifest { file: file.clone(), what };
        let listed = self
            .manifest
            .checksums
            .get(relative)
            .ok_or_else(|| wrong(format!("`{relative}` is used but has no checksum")))?;
        let path = self.folder.join(relative);
        let bytes = std::fs::read(&path).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        let found = sha256_hex(&bytes);
        if !found.eq_ignore_ascii_case(listed) {
            return Err(wrong(format!(
                "`{relative}` has the sha256 {found}, the manifest says {listed}; restore the bundle or regenerate it"
            )));
        }
        Ok(bytes)
    }
}

impl RawFrontEnd {
    fn params(&self) -> Result<LogMelParams, String> {
        let sample_rate = SampleRate::new(self.sample_rate).ok_or_else(|| {
            format!("front_end.sample_rate is {}, not 1 to {} Hz", self.sample_rate, SampleRate::MAX)
        })?;
        let spectrum = match self.power {
            1.0 => Spectrum::Magnitude,
            2.0 => Spectrum::Power,
            other => return Err(format!("front_end.power is {other}, not 1 or 2")),
        };
        let compression = match self.compression {
            RawCompression::Log10OnePlus { scale } => Compression::Log10OnePlus { scale },
            RawCompression::LnPlus { offset } => Compression::LnPlus { offset },
        };
        let params = LogMelParams {
            sample_rate,
            fft_size: self.fft_size,
            hop_length: self.hop_length,
            taper: self.taper,
            taper_length: self.taper_length,
            taper_padding: self.taper_padding,
            centred: self.centred,
            spectrum,
            bands: self.bands,
            mel_scale: self.mel_scale,
            mel_slope: self.mel_slope,
            mel_norm: self.mel_norm,
            f_min: self.f_min,
            f_max: self.f_max,
            compression,
        };
        params.validate().map_err(|error| error.to_string())?;
        Ok(params)
    }
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn locate(name: &str) -> Result<PathBuf, ModelError> {
    if name.contains('/') || Path::new(name).join("manifest.toml").exists() {
        let folder = PathBuf::from(name);
        return if folder.join("manifest.toml").exists() {
            Ok(folder)
        } else {
            Err(ModelError::NotFound { name: name.into(), tried: folder.display().to_string() })
        };
    }
    let mut roots: Vec<PathBuf> = Vec::new();
    roots.extend(std::env::var_os("GENRED_MODELS").filter(|value| !value.is_empty()).map(PathBuf::from));
    roots.extend(
        std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.parent()?.join("models"))),
    );
    roots.push("/usr/share/genred/models".into());
    let folders: Vec<PathBuf> = roots.iter().map(|root| root.join(name)).collect();
    folders.iter().find(|folder| folder.join("manifest.toml").exists()).cloned().ok_or_else(|| {
        ModelError::NotFound {
            name: name.into(),
            tried: folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", "),
        }
    })
}
