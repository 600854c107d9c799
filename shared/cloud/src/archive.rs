//! The archive in S3: gzip objects of JSON lines, by day and hour. `docs/archive.md` tells what is in them.

use std::io::{self, Read, Write};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_types::SdkConfig;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use kairos_engine::bounds::ARCHIVE_OBJECT_READ_BYTES_MAX;
use kairos_protocol::archive::{ArchiveStore, Object, Put};
use kairos_protocol::figures::ArchivedObjects;
use kairos_protocol::port::Fault;

use crate::faults::fault;

/// The metadata that tells an object's last record.
const LAST: &str = "last-record";
/// The metadata that tells how many rows were taken out of an object since it was written.
const ERASED: &str = "erased-rows";

/// The bucket.
#[derive(Clone, Debug)]
pub struct ArchiveBucket {
    pub(crate) client: Client,
    pub(crate) bucket: String,
}

impl ArchiveBucket {
    /// The bucket with this name.
    pub fn new(config: &SdkConfig, bucket: String) -> Self {
        Self { client: client(config), bucket }
    }

    /// The names of the account's buckets that begin so.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn with_prefix(config: &SdkConfig, prefix: &str) -> Result<Vec<String>, Fault> {
        let buckets = client(config).list_buckets().prefix(prefix).send().await;
        let buckets = buckets.map_err(|error| fault("ListBuckets", &error))?.buckets.unwrap_or_default();
        let names = buckets.into_iter().filter_map(|bucket| bucket.name);
        Ok(names.filter(|name| name.starts_with(prefix)).collect())
    }

    /// The names of the objects below a prefix, in their order, at most a thousand behind `after`.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn names(&self, prefix: &str, after: Option<String>) -> Result<Vec<String>, Fault> {
        Ok(self.sizes(prefix, after).await?.into_iter().map(|(name, _)| name).collect())
    }

    /// The same, each with its size in S3, in bytes.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn sizes(&self, prefix: &str, after: Option<String>) -> Result<Vec<(String, u64)>, Fault> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_start_after(after)
            .send()
            .await
            .map_err(|error| fault("ArchiveBucket ListObjectsV2", &error))?;
        let objects = page.contents.unwrap_or_default().into_iter();
        let size = |size: Option<i64>| size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
        Ok(objects.filter_map(|object| Some((object.key?, size(object.size)))).collect())
    }

    /// The object of this name.
    ///
    /// # Errors
    /// When S3 fails, there is none, or it is none of ours.
    pub async fn read(&self, name: &str) -> Result<Object, Fault> {
        const READ: &str = "ArchiveBucket GetObject";
        let answer = self.client.get_object().bucket(&self.bucket).key(name).send().await;
        let answer = answer.map_err(|error| fault(READ, &error))?;
        let metadata = |name: &str| answer.metadata().and_then(|metadata| metadata.get(name));
        let last = metadata(LAST).cloned().unwrap_or_default();
        let erased = metadata(ERASED).and_then(|erased| erased.parse().ok()).unwrap_or_default();
        let retryable = |why: String| Fault::Retryable { what: READ, why };
        let body = answer.body.collect().await.map_err(|error| retryable(error.to_string()))?.into_bytes();
        let rows = unpacked(&body).map_err(|error| Fault::Permanent { what: READ, why: format!("{name}: {error}") })?;
        Ok(Object { name: name.to_owned(), last, rows, erased })
    }

    /// Writes an object in the place of the one of its name: the same without some of its rows.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn rewrite(&self, object: &Object) -> Result<(), Fault> {
        self.request(object).send().await.map_err(|error| fault("ArchiveBucket PutObject", &error))?;
        Ok(())
    }

    fn request(&self, object: &Object) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(&object.name)
            .content_type("application/gzip")
            .metadata(LAST, &object.last)
            .body(ByteStream::from(packed(&object.rows)));
        if object.erased > 0 { request.metadata(ERASED, object.erased.to_string()) } else { request }
    }
}

impl ArchivedObjects for ArchiveBucket {
    async fn all_names(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        let mut all: Vec<String> = Vec::new();
        loop {
            let names = self.names(prefix, all.last().cloned()).await?;
            if names.is_empty() {
                return Ok(all);
            }
            all.extend(names);
        }
    }

    async fn read(&self, name: &str) -> Result<Object, Fault> {
        Self::read(self, name).await
    }
}

impl ArchiveStore for ArchiveBucket {
    async fn put(&self, object: &Object) -> Result<Put, Fault> {
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        let Err(error) = self.request(object).if_none_match("*").send().await else { return Ok(Put::Written) };
        match error.code() {
            Some("PreconditionFailed") => {
                let head = self.client.head_object().bucket(&self.bucket).key(&object.name).send().await;
                let head = head.map_err(|error| fault("ArchiveBucket HeadObject", &error))?;
                let last = head.metadata.and_then(|mut metadata| metadata.remove(LAST)).unwrap_or_default();
                Ok(Put::There { last })
            }
            // Somebody else is writing it at this moment.
            Some("ConditionalRequestConflict") => {
                Err(Fault::Retryable { what: "ArchiveBucket PutObject", why: "written twice at once".to_owned() })
            }
            _ => Err(fault("ArchiveBucket PutObject", &error)),
        }
    }
}

pub(crate) fn client(config: &SdkConfig) -> Client {
    // Bucket names are no host names everywhere: a local engine knows one host.
    Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}

fn packed(rows: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(rows.as_bytes()).and_then(|()| encoder.finish()).expect("memory takes everything")
}

fn unpacked(body: &[u8]) -> io::Result<String> {
    let mut rows = String::new();
    GzDecoder::new(body).take(ARCHIVE_OBJECT_READ_BYTES_MAX as u64 + 1).read_to_string(&mut rows)?;
    match rows.len() > ARCHIVE_OBJECT_READ_BYTES_MAX {
        true => Err(io::Error::other(format!("it has more than {ARCHIVE_OBJECT_READ_BYTES_MAX} bytes"))),
        false => Ok(rows),
    }
}
