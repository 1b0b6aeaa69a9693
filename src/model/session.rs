//! ONNX Runtime: finding the library, choosing the provider, running the trunk.
//!
//! The only file that imports `ort`. The library is loaded at run time, so that one
//! binary serves machines with and without a graphics card.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::ep;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use super::ModelError;
use super::config::Provider;

/// File name of the library, as the wheel and the distributions spell it.
const LIBRARY: &str = "libonnxruntime.so";
/// The plugin that the CUDA provider lives in.
const CUDA_PLUGIN: &str = "libonnxruntime_providers_cuda.so";

/// ONNX Runtime allows one environment a process; it lives until the process ends.
static ENVIRONMENT: OnceLock<(PathBuf, Environment)> = OnceLock::new();

/// The loaded library, and what it offers.
#[derive(Debug, Clone)]
pub struct Runtime {
    path: PathBuf,
}

impl Runtime {
    /// Loads the library: from `ORT_DYLIB_PATH`, else `configured`, else `<exe>/lib`, `/usr/lib/genred`, the system's.
    /// Later calls return what the first one loaded.
    ///
    /// # Errors
    /// Names every place that was tried.
    pub fn load(configured: Option<&Path>) -> Result<Self, ModelError> {
        if let Some((path, _)) = ENVIRONMENT.get() {
            return Ok(Self { path: path.clone() });
        }
        let mut tried = Vec::new();
        for path in candidates(configured) {
            // A bare file name is the dynamic linker's to find; anything else must exist.
            if path.components().count() > 1 && !path.exists() {
                tried.push(format!("{} (not there)", path.display()));
                continue;
            }
            match ort::init_from(&path) {
                Ok(builder) => {
                    let environment =
                        builder.with_name("genred").with_telemetry(false).build().map_err(|error| {
                            ModelError::Runtime(format!("{} does not start: {error}", path.display()))
                        })?;
                    let (path, _) = ENVIRONMENT.get_or_init(|| (path, environment));
                    return Ok(Self { path: path.clone() });
                }
                Err(error) => tried.push(format!("{} ({error})", path.display())),
            }
        }
        Err(ModelError::Runtime(format!(
            "no ONNX Runtime was found; tried {}; run `scripts/setup.sh` or set ORT_DYLIB_PATH",
            tried.join(", ")
        )))
    }

    /// Where it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the CUDA provider's plugin lies beside the library. Says nothing about a driver or a card.
    pub fn has_cuda_plugin(&self) -> bool {
        let resolved = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        resolved.parent().is_some_and(|folder| folder.join(CUDA_PLUGIN).exists())
    }
}

fn candidates(configured: Option<&Path>) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    paths.extend(std::env::var_os("ORT_DYLIB_PATH").filter(|value| !value.is_empty()).map(PathBuf::from));
    paths.extend(configured.map(Path::to_path_buf));
    if let Some(folder) = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf)) {
        paths.push(folder.join("lib").join(LIBRARY));
    }
    paths.push(Path::new("/usr/lib/genred").join(LIBRARY));
    paths.push(PathBuf::from(LIBRARY));
    paths
}

/// Names of the trunk's tensors, and its sizes, by its manifest.
#[derive(Debug, Clone)]
pub struct Signature {
    /// Input, float32 `[batch, frames, bands]`.
    pub input: String,
    /// Output, float32 `[batch, embedding_dim]`.
    pub embedding: String,
    /// Frames of a patch.
    pub frames: usize,
    /// Mel bands of a frame.
    pub bands: usize,
    /// Values of an embedding.
    pub embedding_dim: usize,
}

/// A trunk in memory, on one provider. `run` takes `&mut self`: one thread owns it.
pub struct TrunkSession {
    session: Session,
    signature: Signature,
}

impl TrunkSession {
    /// Loads a model file for `provider`.
    ///
    /// # Errors
    /// When the provider cannot start, or the file is no model, or its inputs and outputs do not fit `signature`.
    pub fn open(
        runtime: &Runtime,
        model: &[u8],
        provider: Provider,
        threads: usize,
        signature: Signature,
    ) -> Result<Self, ModelError> {
        let Some((_, environment)) = ENVIRONMENT.get() else {
            return Err(ModelError::Runtime("the runtime is not loaded".into()));
        };
        let providers = match provider {
            Provider::Cpu => vec![ep::CPU::default().build()],
            // Full float32: TF32's 10-bit mantissa would break the golden check. Failure must be an
            // error here, or the CPU would be used without a word.
            Provider::Cuda => vec![ep::CUDA::default().with_tf32(false).build().error_on_failure()],
        };
        let failed = |error: &dyn std::fmt::Display| {
            let mut reason = first_line(error);
            if provider == Provider::Cuda && !runtime.has_cuda_plugin() {
                reason += &format!(" (there is no `{CUDA_PLUGIN}` beside {})", runtime.path.display());
            }
            ModelError::Provider { provider, reason }
        };
        let session = (|| -> Result<Session, Box<dyn std::error::Error>> {
            let mut builder = Session::builder(environment)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(threads)?
                .with_intra_op_spinning(false)?
                .with_execution_providers(providers)?;
            Ok(builder.commit_from_memory(model)?)
        })()
        .map_err(|error| failed(&error))?;
        check_signature(&session, &signature)?;
        Ok(Self { session, signature })
    }

    /// Scores `batch` patches: `log_mel` is `[batch, frames, bands]` row-major; appends `[batch, embedding_dim]` to `embedding`.
    ///
    /// # Errors
    /// When the sizes do not fit or the runtime fails.
    pub fn run(&mut self, log_mel: &[f32], batch: usize, embedding: &mut Vec<f32>) -> Result<(), ModelError> {
        let Signature { frames, bands, embedding_dim, .. } = self.signature;
        let tensor = TensorRef::from_array_view(([batch, frames, bands], log_mel))
            .map_err(|error| ModelError::Run(first_line(&error)))?;
        let outputs = self
            .session
            .run(ort::inputs![self.signature.input.as_str() => tensor])
            .map_err(|error| ModelError::Run(first_line(&error)))?;
        let (_, values) = outputs[self.signature.embedding.as_str()]
            .try_extract_tensor::<f32>()
            .map_err(|error| ModelError::Run(first_line(&error)))?;
        if values.len() != batch * embedding_dim {
            return Err(ModelError::Run(format!(
                "the embedding holds {} values for {batch} patches, not {embedding_dim} each",
                values.len()
            )));
        }
        embedding.extend_from_slice(values);
        Ok(())
    }
}

fn check_signature(session: &Session, signature: &Signature) -> Result<(), ModelError> {
    let shape_of = |outlets: &[ort::value::Outlet], name: &str| -> Option<Vec<i64>> {
        outlets
            .iter()
            .find(|outlet| outlet.name() == name)?
            .dtype()
            .tensor_shape()
            .map(|shape| shape.to_vec())
    };
    let input = shape_of(session.inputs(), &signature.input).ok_or_else(|| {
        ModelError::Mismatch(format!("the model has no tensor input `{}`", signature.input))
    })?;
    let wanted = [signature.frames as i64, signature.bands as i64];
    if input.len() != 3 || input[1..] != wanted {
        return Err(ModelError::Mismatch(format!(
            "the model's input `{}` has shape {input:?}, the manifest says [batch, {}, {}]",
            signature.input, signature.frames, signature.bands
        )));
    }
    if input[0] > 0 {
        return Err(ModelError::Mismatch(format!(
            "the model's batch axis is fixed to {}; export it dynamic",
            input[0]
        )));
    }
    let output = shape_of(session.outputs(), &signature.embedding).ok_or_else(|| {
        ModelError::Mismatch(format!("the model has no tensor output `{}`", signature.embedding))
    })?;
    if output.last() != Some(&(signature.embedding_dim as i64)) {
        return Err(ModelError::Mismatch(format!(
            "the model's output `{}` has shape {output:?}, the manifest says embedding_dim = {}",
            signature.embedding, signature.embedding_dim
        )));
    }
    Ok(())
}

/// Errors of the runtime carry source paths and stack traces in their further lines.
fn first_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().trim().trim_end_matches('.').to_owned()
}
