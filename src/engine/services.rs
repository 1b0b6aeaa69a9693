//! Services that sinks need from higher layers.

#[cfg(feature = "web")]
use crate::sink::web::services::WebServices;

/// Services that sinks need from higher layers; none by default.
#[derive(Clone, Default)]
pub(crate) struct Services {
    /// Services of the page.
    #[cfg(feature = "web")]
    pub(crate) web: WebServices,
}
