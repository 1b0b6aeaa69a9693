//! Capture devices of this machine.

#[cfg(feature = "device")]
use super::device;
use super::{DeviceInfo, SourceError};

/// Lists the capture devices of every reachable sound system; empty without the cargo feature
/// `device`.
///
/// # Errors
/// Transient if no sound system can be reached.
pub fn list() -> Result<Vec<DeviceInfo>, SourceError> {
    #[cfg(feature = "device")]
    let found = device::list();
    #[cfg(not(feature = "device"))]
    let found = Ok(Vec::new());
    found
}

/// Looks up a capture device without opening it.
///
/// # Errors
/// [`SourceError`] if there is no such sound system or device; always without the cargo feature
/// `device`.
pub fn find(host: Option<&str>, name: &str) -> Result<(), SourceError> {
    #[cfg(feature = "device")]
    return device::find(host, name);
    #[cfg(not(feature = "device"))]
    {
        let _ = (host, name);
        Err(SourceError::Permanent("this build has no capture (cargo feature `device`)".into()))
    }
}
