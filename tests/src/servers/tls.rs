//! TLS servers with certificates of the rig's own authority.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::{Log, SharedLog, http, listen};
use crate::error::Result;
use crate::namespace::Namespace;
use crate::service::Service;

/// A certificate authority that exists only in this process.
pub struct Authority {
    certificate: CertificateDer<'static>,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

/// A certificate and its key as PEM text, for servers that are other programs.
#[derive(Debug, Clone)]
pub struct PemPair {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// Makes one.
    ///
    /// # Errors
    /// When the certificate cannot be signed.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "rig authority");
        let key = KeyPair::generate()?;
        let own = params.self_signed(&key)?;
        let (certificate, pem) = (own.der().clone(), own.pem());
        Ok(Self { certificate, pem, issuer: Issuer::new(params, key) })
    }

    /// Its certificate as PEM text, for `curl --cacert`.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for `names` (host names or addresses) and its key as PEM text.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn issue(&self, names: &[&str]) -> Result<PemPair> {
        let (certificate, key) = self.sign(names)?;
        Ok(PemPair { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// What a client needs to trust this authority and nobody else.
    ///
    /// # Errors
    /// When rustls refuses the certificate.
    pub fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    fn server(&self, names: &[&str]) -> Result<Arc<ServerConfig>> {
        let (certificate, key) = self.sign(names)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())?;
        Ok(Arc::new(config))
    }

    fn sign(&self, names: &[&str]) -> Result<(rcgen::Certificate, KeyPair)> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?;
        Ok((certificate, key))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A TLS server on one address and port; inside the TLS stream it speaks a little HTTP
/// (`GET /bytes/N`, `GET /whoami`).
#[derive(Debug)]
pub struct TlsServer {
    log: SharedLog,
    _service: Service,
}

impl TlsServer {
    /// Serves on `address` with a certificate of `authority` for `names`.
    ///
    /// # Errors
    /// When the address is not one of the namespace's, or the port is taken.
    pub fn start(
        namespace: &Namespace,
        address: (Ipv4Addr, u16),
        authority: &Authority,
        names: &[&str],
    ) -> Result<Self> {
        let config = authority.server(names)?;
        let log = SharedLog::default();
        let shared = log.clone();
        let service = listen(namespace, address, &log, move |stream, peer| {
            let connection =
                ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            stream.conn.complete_io(&mut stream.sock)?;
            if let Some(name) = stream.conn.server_name() {
                *shared.lock().names.entry(name.to_owned()).or_default() += 1;
            }
            http::serve(stream, peer, &shared)
        })?;
        Ok(Self { log, _service: service })
    }

    /// What it saw so far; `connections` count accepted TCP connections, `requests` full answers.
    #[must_use]
    pub fn log(&self) -> Log {
        self.log.lock().clone()
    }
}
