//! TLS files: trusted authorities and the client certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::setting_error::MqttConfigError;

/// TLS files of the `[mqtt]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// `ca_file`: trusted authorities in PEM form; the system's if left out.
    pub ca: Option<PathBuf>,
    /// `client_cert`: certificate chain of this client in PEM form.
    pub certificate: Option<PathBuf>,
    /// `client_key`: key of that certificate in PEM form.
    pub key: Option<PathBuf>,
}

impl TlsFiles {
    /// First configuration key that is set.
    pub(crate) fn first_key(&self) -> Option<&'static str> {
        let keys = [("ca_file", &self.ca), ("client_cert", &self.certificate), ("client_key", &self.key)];
        keys.into_iter().find(|(_, file)| file.is_some()).map(|(key, _)| key)
    }

    /// Reads the files. Called for each connection, so that renewed certificates take effect.
    ///
    /// # Errors
    /// Fails if a file cannot be read or has another content; the message names the key.
    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, MqttConfigError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| MqttConfigError(format!("TLS cannot be used: {error}")))?
            .with_root_certificates(self.roots()?);
        let config = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(_), None) => return err("`mqtt.client_cert` needs `mqtt.client_key`, the file of its key"),
            (None, Some(_)) => {
                return err("`mqtt.client_key` needs `mqtt.client_cert`, the file of its certificate");
            }
            (Some(certificate), Some(key)) => {
                let chain = certificates("client_cert", certificate)?;
                let key_der = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| unreadable("client_key", key, &error))?;
                builder.with_client_auth_cert(chain, key_der).map_err(|error| {
                    MqttConfigError(format!(
                        "`mqtt.client_cert` and `mqtt.client_key` do not fit together: {error}"
                    ))
                })?
            }
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, MqttConfigError> {
        let mut roots = RootCertStore::empty();
        let Some(file) = &self.ca else {
            let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return match added {
                0 => err(
                    "the system trusts no authority; install `ca-certificates`, or give the broker's with `mqtt.ca_file`",
                ),
                _ => Ok(roots),
            };
        };
        for certificate in certificates("ca_file", file)? {
            roots.add(certificate).map_err(|error| unreadable("ca_file", file, &error))?;
        }
        Ok(roots)
    }
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, MqttConfigError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(key, file, &error))?;
    if certificates.is_empty() {
        return err(format!("`mqtt.{key}` `{}` holds no certificate in PEM form", file.display()));
    }
    Ok(certificates)
}

fn unreadable(key: &str, file: &Path, error: &dyn std::fmt::Display) -> MqttConfigError {
    MqttConfigError(format!(
        "`mqtt.{key}` `{}` cannot be read ({error}); check its path, permissions and form (PEM)",
        file.display()
    ))
}

fn err<T>(message: impl Into<String>) -> Result<T, MqttConfigError> {
    Err(MqttConfigError(message.into()))
}
