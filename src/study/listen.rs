//! Embeds many recordings on several threads, through the cache.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::unbounded;

use super::augment::Alteration;
use super::cache::Cache;
use super::offline::{self, EmbeddedAudio, FileError};
use crate::model::{Model, ModelError};

/// Recording, and the alteration of its sound, if any.
pub type Task<'a> = (&'a Path, Option<Alteration>);

/// Embeddings of recordings, in order.
#[derive(Debug)]
pub struct Listened {
    /// One per task.
    pub heard: Vec<Result<EmbeddedAudio, FileError>>,
    /// Number of tasks that the cache answered.
    pub cached: usize,
}

/// Embeds `tasks`, with a patch every `hop_seconds`, on one thread per model. `more_models` opens
/// further models, up to `jobs` in total. `done` is called on this thread for each task that was
/// embedded or found in the cache, in any order.
///
/// # Errors
/// A further model does not open, or a model fails. The failure of a file is the result of its
/// task.
pub fn listen(
    tasks: &[Task<'_>],
    model: &mut Model,
    more_models: impl Fn() -> Result<Model, ModelError>,
    jobs: usize,
    hop_seconds: f64,
    cache: Option<&Cache>,
    mut done: impl FnMut(&Path),
) -> Result<Listened, ModelError> {
    let dim = model.embedding_dim();
    let mut heard: Vec<Option<Result<EmbeddedAudio, FileError>>> = Vec::with_capacity(tasks.len());
    let mut missing = Vec::new();
    for (index, (file, alteration)) in tasks.iter().enumerate() {
        let entry = cache.and_then(|cache| cache.entry(file, alteration.as_ref()));
        let known = cache.zip(entry.as_ref()).and_then(|(cache, entry)| cache.read(entry, dim));
        match known {
            Some(known) => {
                done(file);
                heard.push(Some(Ok(known)));
            }
            None => {
                missing.push((index, entry));
                heard.push(None);
            }
        }
    }
    let cached = tasks.len() - missing.len();
    let mut others = Vec::new();
    for _ in 1..jobs.min(missing.len()) {
        others.push(more_models()?);
    }
    let next = AtomicUsize::new(0);
    let unwritable = AtomicUsize::new(0);
    let (sender, receiver) = unbounded();
    std::thread::scope(|scope| {
        for model in std::iter::once(model).chain(&mut others) {
            let (sender, next, missing, unwritable) = (sender.clone(), &next, &missing, &unwritable);
            scope.spawn(move || {
                while let Some((index, entry)) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (file, alteration) = &tasks[*index];
                    let result = match alteration {
                        Some(alteration) => {
                            offline::embed_altered_file(file, model, hop_seconds, alteration.start())
                        }
                        None => offline::embed_file(file, model, hop_seconds),
                    };
                    if let (Some(cache), Some(entry), Ok(heard)) = (cache, entry, &result)
                        && let Err(error) = cache.write(entry, heard)
                        && unwritable.fetch_add(1, Ordering::Relaxed) == 0
                    {
                        tracing::warn!("embeddings are not kept: `{}`: {error}", entry.display());
                    }
                    let _ = sender.send((*index, result));
                }
            });
        }
        drop(sender);
        for (index, result) in receiver {
            done(tasks[index].0);
            heard[index] = Some(result);
        }
    });
    let mut answers = Vec::with_capacity(tasks.len());
    for answer in heard.into_iter().flatten() {
        match answer {
            // What fails there is not the file.
            Err(FileError::Model(error)) => return Err(error),
            answer => answers.push(answer),
        }
    }
    Ok(Listened { heard: answers, cached })
}

/// Runs `work` for 0 to `count` − 1 on `jobs` threads; the answers are in order.
pub(super) fn in_parallel<T: Send>(jobs: usize, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = unbounded();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, count.max(1)) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        break;
                    }
                    let _ = sender.send((index, work(index)));
                }
            });
        }
    });
    drop(sender);
    let mut answers: Vec<(usize, T)> = receiver.into_iter().collect();
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
