//! Which bucket, where, with which credentials; and the HTTP client for it.
//!
//! Knows addresses and settings; does not know what a store keeps in the bucket.

use std::{fmt, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut},
    client::{HttpClient as ObjectHttpClient, HttpConnector},
};
use url::Url;
use zeroize::Zeroizing;

use super::bucket::Bucket;
use crate::{
    client::{http, http::HttpConfig, platform::Clock, transport::goes_in_clear},
    storage::StorageError,
};

/// Objects that lie around from earlier failures may be large; a slow line gets its time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A bucket, and what must not appear in messages.
type Opened = (Arc<dyn ObjectStore>, Vec<Zeroizing<String>>);

/// How a store in a bucket is guarded against a second writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sharing {
    /// One opening at a time has the store, under a lease of this length that it renews. A second one gets
    /// [`StorageError::Locked`]; after the lease's end it takes over, and who was there before gets
    /// [`StorageError::LeaseLost`] from then on. The default, with 30 seconds.
    Lease(Duration),
    /// No lease: any number of openings, for short-lived workers. The versions alone guard the ratchets: who is second
    /// gets [`StorageError::Conflict`], and must load anew.
    Versions,
}

/// Describes a store in a bucket of S3, or of a service that speaks its language with conditional writes, such as Cloudflare
/// R2 and MinIO.
///
/// What is not set here comes from the environment, under the names of the AWS tools: `AWS_ACCESS_KEY_ID`,
/// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, web identity
/// and container credentials. Printing it shows none of it.
///
/// ```no_run
/// use agentmesh_core::client::s3::{S3Config, S3Storage};
/// # async fn example() -> Result<(), agentmesh_core::storage::StorageError> {
/// // Cloudflare R2:
/// let config = S3Config::new("my-bucket", "agents/anna")
///     .endpoint("https://<account>.r2.cloudflarestorage.com")
///     .region("auto");
/// let store = S3Storage::open(config).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct S3Config {
    pub(super) bucket: String,
    pub(super) prefix: String,
    endpoint: Option<String>,
    region: Option<String>,
    credentials: Option<(String, Zeroizing<String>, Option<Zeroizing<String>>)>,
    allow_insecure: bool,
    pub(super) sharing: Sharing,
    pub(super) patience: Duration,
    pub(super) take_over: bool,
    pub(super) clock: Clock,
    http: HttpConfig,
}

impl S3Config {
    /// A store below `prefix` in `bucket`; an empty prefix is the whole bucket.
    pub fn new(bucket: impl Into<String>, prefix: impl AsRef<str>) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: prefix.as_ref().trim_matches('/').to_owned(),
            endpoint: None,
            region: None,
            credentials: None,
            allow_insecure: false,
            sharing: Sharing::Lease(Duration::from_secs(30)),
            patience: Duration::ZERO,
            take_over: false,
            clock: Clock::system(),
            http: HttpConfig::default(),
        }
    }

    /// Reads `s3://bucket/prefix`.
    ///
    /// # Errors
    /// [`StorageError::InvalidUrl`] for anything else; credentials in it are refused, since they would end up in logs.
    pub fn from_url(url: &str) -> Result<Self, StorageError> {
        let invalid = |hint: &str| StorageError::InvalidUrl { hint: hint.to_owned() };
        let parsed = Url::parse(url).map_err(|_| invalid("it is not a URL"))?;
        if parsed.scheme() != "s3" {
            return Err(invalid("it must begin with s3://"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(invalid(
                "credentials do not belong into it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() || parsed.port().is_some() {
            return Err(invalid(
                "only s3://BUCKET/PREFIX is understood; set AWS_ENDPOINT_URL for other services",
            ));
        }
        match parsed.host_str() {
            Some(bucket) if !bucket.is_empty() => Ok(Self::new(bucket, parsed.path())),
            _ => Err(invalid("it names no bucket")),
        }
    }

    /// Where the service is, if it is not Amazon's: `https://host[:port]`.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The region; `auto` for Cloudflare R2.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Credentials, instead of those of the environment.
    #[must_use]
    pub fn credentials(mut self, access_key_id: &str, secret: &str, token: Option<&str>) -> Self {
        let secret = Zeroizing::new(secret.to_owned());
        let token = token.map(|token| Zeroizing::new(token.to_owned()));
        self.credentials = Some((access_key_id.to_owned(), secret, token));
        self
    }

    /// Lets requests go unencrypted over the network. Without it or `AWS_ALLOW_HTTP=true`, `http` is for loopback only.
    #[must_use]
    pub const fn allow_insecure(mut self, allow: bool) -> Self {
        self.allow_insecure = allow;
        self
    }

    /// How it is guarded against a second writer.
    #[must_use]
    pub const fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// How long opening waits for somebody else's lease to end. Default: not at all.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Takes the lease over even though it has not ended. For when its holder is known to be gone; if it is not, it
    /// is shut out, and nothing forks.
    #[must_use]
    pub const fn take_over(mut self, take_over: bool) -> Self {
        self.take_over = take_over;
        self
    }

    /// Proxies, certificates and connect timeout.
    #[must_use]
    pub fn http(mut self, http: HttpConfig) -> Self {
        self.http = http;
        self
    }

    /// Where the time of leases comes from.
    #[must_use]
    pub const fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The store's name in messages.
    pub fn name(&self) -> String {
        match self.prefix.as_str() {
            "" => format!("s3://{}", self.bucket),
            prefix => format!("s3://{}/{prefix}", self.bucket),
        }
    }

    pub(super) fn open(&self) -> Result<Bucket, StorageError> {
        let (objects, secrets) = self.objects()?;
        Ok(Bucket::new(objects, &self.prefix, self.name(), secrets))
    }

    /// The prefix, without slashes around it.
    #[cfg(feature = "user-data-store")]
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The whole bucket, and what must not appear in messages.
    pub(crate) fn objects(&self) -> Result<Opened, StorageError> {
        let invalid = |hint: String| StorageError::InvalidUrl { hint };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&self.bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(100),
                    max_backoff: Duration::from_secs(3),
                    base: 2.0,
                },
                max_retries: 5,
                retry_timeout: Duration::from_secs(20),
            });
        if let Some(endpoint) = &self.endpoint {
            // Before anything that the environment says.
            builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some((id, secret, token)) = &self.credentials {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret.as_str());
            if let Some(token) = token {
                builder = builder.with_token(token.as_str());
            }
        }
        let keys = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
        if let Some(endpoint) = keys.iter().find_map(|key| builder.get_config_value(key)) {
            let url = Url::parse(&endpoint).map_err(|e| invalid(format!("the endpoint: {e}")))?;
            let allow_http = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
            let allowed = self.allow_insecure
                || builder.get_config_value(&allow_http).is_some_and(|value| value == "true");
            if goes_in_clear(&url) && !allowed {
                return Err(invalid(
                    "the endpoint is http: use https, or allow insecure connections \
                     (AWS_ALLOW_HTTP=true)"
                        .to_owned(),
                ));
            }
        }
        let secrets = [
            AmazonS3ConfigKey::AccessKeyId,
            AmazonS3ConfigKey::SecretAccessKey,
            AmazonS3ConfigKey::Token,
        ];
        let secrets = secrets.iter().filter_map(|key| builder.get_config_value(key));
        let secrets = secrets.map(Zeroizing::new).collect();
        // Whether it may be `http` was decided above.
        let builder =
            builder.with_allow_http(true).with_http_connector(Connector(self.http.clone()));
        let objects = builder.build().map_err(|e| invalid(http::reasons(&e)))?;
        Ok((Arc::new(objects), secrets))
    }
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Config")
            .field("store", &self.name())
            .field("sharing", &self.sharing)
            .finish_non_exhaustive()
    }
}

/// Our own HTTP client: the same TLS, certificates and proxies as everywhere.
#[derive(Debug)]
struct Connector(HttpConfig);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<ObjectHttpClient> {
        let client = http::raw_client(&self.0, REQUEST_TIMEOUT).map_err(|source| {
            object_store::Error::Generic { store: "S3", source: Box::new(source) }
        })?;
        Ok(ObjectHttpClient::new(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redaction::Shown;

    #[test]
    fn urls_name_bucket_and_prefix_and_nothing_else() {
        for (url, name) in [
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("s3://bucket/agents/anna/", "s3://bucket/agents/anna"),
        ] {
            assert_eq!(S3Config::from_url(url).unwrap().name(), name);
        }
        for url in [
            "",
            "s3:bucket",
            "s3://",
            "http://bucket/x",
            "s3://id:secret@bucket/x",
            "s3://bucket/x?region=y",
        ] {
            let refused = S3Config::from_url(url).unwrap_err();
            assert!(matches!(refused, StorageError::InvalidUrl { .. }), "{url}: {refused}");
            assert!(!refused.to_string().contains("id:secret"), "{refused}");
        }
    }

    #[test]
    fn an_unencrypted_endpoint_is_for_loopback_unless_allowed() {
        let at = |url: &str| S3Config::new("b", "p").endpoint(url).credentials("id", "hush", None);
        assert!(at("http://127.0.0.1:9000").open().is_ok());
        assert!(at("http://[::1]:9000").open().is_ok());
        let refused = at("http://minio.example:9000").open().unwrap_err();
        assert!(refused.to_string().contains("use https"), "{refused}");
        assert!(at("http://minio.example:9000").allow_insecure(true).open().is_ok());
    }

    #[test]
    fn credentials_are_not_shown() {
        let mut shown = Shown::default();
        let config = S3Config::new("b", "p").endpoint("https://s3.example").credentials(
            "key-id",
            "hush-hush",
            Some("a-token"),
        );
        shown.add("S3Config", &config);
        shown.add("Bucket", &config.open().unwrap());
        insta::assert_snapshot!(shown.without(&[b"key-id", b"hush-hush", b"a-token"]), @r#"
        S3Config: S3Config { store: "s3://b/p", sharing: Lease(30s), .. }
        Bucket: Bucket(s3://b/p)
        "#);
    }
}
