//! TLS files: trusted authorities and the client certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::setting_error::MqttConfigError;

const CA_FILE: &str = "mqtt.ca_file";
const CLIENT_CERT: &str = "mqtt.client_cert";
const CLIENT_KEY: &str = "mqtt.client_key";

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
    /// First configuration key that is set, with its section.
    pub(crate) fn first_key(&self) -> Option<&'static str> {
        let keys = [(CA_FILE, &self.ca), (CLIENT_CERT, &self.certificate), (CLIENT_KEY, &self.key)];
        keys.into_iter().find(|(_, file)| file.is_some()).map(|(key, _)| key)
    }

    /// Reads the files. Called for each connection, so that renewed certificates take effect.
    ///
    /// # Errors
    /// Fails if a file cannot be read or has another content; the message names the key.
    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, MqttConfigError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| MqttConfigError::Tls { reason: error.to_string() })?
            .with_root_certificates(self.roots()?);
        let config = match (&self.certificate, &self.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(_), None) => return Err(incomplete(CLIENT_CERT, CLIENT_KEY, "the file of its key")),
            (None, Some(_)) => {
                return Err(incomplete(CLIENT_KEY, CLIENT_CERT, "the file of its certificate"));
            }
            (Some(certificate), Some(key)) => {
                let chain = certificates(CLIENT_CERT, certificate)?;
                let key_der =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(CLIENT_KEY, key, &error))?;
                builder
                    .with_client_auth_cert(chain, key_der)
                    .map_err(|error| MqttConfigError::KeyPair { reason: error.to_string() })?
            }
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, MqttConfigError> {
        let mut roots = RootCertStore::empty();
        let Some(file) = &self.ca else {
            let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return match added {
                0 => Err(MqttConfigError::NoAuthority),
                _ => Ok(roots),
            };
        };
        for certificate in certificates(CA_FILE, file)? {
            roots.add(certificate).map_err(|error| unreadable(CA_FILE, file, &error))?;
        }
        Ok(roots)
    }
}

fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, MqttConfigError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(key, file, &error))?;
    if certificates.is_empty() {
        return Err(MqttConfigError::file(key, file, "holds no certificate in PEM form"));
    }
    Ok(certificates)
}

fn unreadable(key: &'static str, file: &Path, error: &dyn std::fmt::Display) -> MqttConfigError {
    let fault = format!("cannot be read ({error}); check its path, permissions and form (PEM)");
    MqttConfigError::file(key, file, fault)
}

fn incomplete(key: &'static str, missing: &'static str, description: &'static str) -> MqttConfigError {
    MqttConfigError::Incomplete { key, missing, description }
}
