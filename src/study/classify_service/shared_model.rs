//! The service's model: loaded on first use, freed when idle.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::model::{Model, ModelConfig, ModelError};

/// Model that all classifications share. Each uses it as a source of its own.
pub(super) struct SharedModel {
    config: ModelConfig,
    state: Mutex<ModelState>,
}

struct ModelState {
    model: Option<Model>,
    /// Number of classifications in progress.
    users: usize,
    /// End of the last classification.
    last_used: Instant,
}

impl SharedModel {
    pub(super) fn new(config: ModelConfig) -> Self {
        let state = ModelState { model: None, users: 0, last_used: Instant::now() };
        Self { config, state: Mutex::new(state) }
    }

    /// Keeps the model loaded until the returned value is dropped.
    pub(super) fn hold(&self) -> HeldModel<'_> {
        self.state().users += 1;
        HeldModel { shared: self }
    }

    /// Frees the model if it has not been used for `idle`. Returns the time until the next check;
    /// `None` if no model is loaded.
    pub(super) fn free_if_idle(&self, idle: Duration) -> Option<Duration> {
        let mut state = self.state();
        state.model.as_ref()?;
        if state.users > 0 {
            return Some(idle);
        }
        match idle.checked_sub(state.last_used.elapsed()).filter(|left| !left.is_zero()) {
            Some(left) => Some(left),
            None => {
                state.model = None;
                tracing::debug!("idle model of the classification service freed");
                None
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_loaded(&self) -> bool {
        self.state().model.is_some()
    }

    fn state(&self) -> MutexGuard<'_, ModelState> {
        self.state.lock().unwrap_or_else(|poisoned| {
            self.state.clear_poison();
            let mut state = poisoned.into_inner();
            // A panic may have left it inconsistent.
            state.model = None;
            state
        })
    }
}

/// Use of the shared model by one classification.
pub(super) struct HeldModel<'a> {
    shared: &'a SharedModel,
}

impl HeldModel<'_> {
    /// Calls `use_model` with the model, which is loaded if it is not.
    ///
    /// # Errors
    /// The model cannot be loaded.
    pub(super) fn with<T>(&self, use_model: impl FnOnce(&mut Model) -> T) -> Result<T, ModelError> {
        let mut state = self.shared.state();
        let model = match &mut state.model {
            Some(model) => model,
            empty => empty.insert(Model::load(&self.shared.config)?),
        };
        Ok(use_model(model))
    }
}

impl Drop for HeldModel<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.users -= 1;
        state.last_used = Instant::now();
    }
}
