//! Requests to services of AWS of which one or two operations are used: AWS JSON 1.0
//! (<https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html>), signed with Signature Version 4.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_types::sdk_config::SharedCredentialsProvider;
use kairos_engine::time::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

/// A service in a region.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    /// Its name in signatures and host names.
    pub name: &'a str,
    /// The region.
    pub region: &'a str,
    /// Where it is.
    pub endpoint: &'a str,
}

/// The headers of a request for an operation (`target`) with this body, its signature among them; or why there are none.
///
/// # Errors
/// When there are no credentials, or the request cannot be signed.
pub async fn signed(
    service: Service<'_>,
    credentials: Option<&SharedCredentialsProvider>,
    target: &'static str,
    body: &str,
    now: Timestamp,
) -> Result<HeaderMap, String> {
    let credentials = credentials.ok_or("there are no credentials")?;
    let identity: Identity = credentials.provide_credentials().await.map_err(|error| error.to_string())?.into();
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(now.as_millis().unsigned_abs());
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(service.region)
        .name(service.name)
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let mut headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0")),
        (HeaderName::from_static("x-amz-target"), HeaderValue::from_static(target)),
    ]);
    let to_sign = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let request = SignableRequest::new("POST", service.endpoint, to_sign, SignableBody::Bytes(body.as_bytes()))
        .map_err(|error| error.to_string())?;
    let (instructions, _) = sign(request, &parameters).map_err(|error| error.to_string())?.into_parts();
    for (name, value) in instructions.headers() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
        let mut value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Where a service is in a region.
pub fn endpoint_in(service: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{suffix}/")
}
