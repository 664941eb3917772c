//! An S3 server in memory, for the tests of the bucket store: requests, signatures and errors are those of the `s3s` crate,
//! and a put looks at its conditions and writes under one lock. ETags are those of the content, as with S3, so the same
//! bytes have the same one. A careless one ignores conditions.

#![allow(
    clippy::disallowed_methods,
    reason = "a server for tests: its clock is the machine's, its tasks end with its runtime"
)]

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use futures_util::TryStreamExt;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::SimpleAuth,
    dto::{
        DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
        DeletedObject, ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput,
        HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Metadata, Object,
        PutObjectInput, PutObjectOutput, StreamingBlob,
    },
    s3_error,
    service::S3ServiceBuilder,
};

/// The one bucket there is.
pub const BUCKET: &str = "agents";
/// Who may come in, and with what.
pub const CREDENTIALS: (&str, &str) = ("test-key", "test-secret");

struct Stored {
    bytes: Bytes,
    tag: ETag,
    at: SystemTime,
    metadata: Option<Metadata>,
    content_type: Option<String>,
}

#[derive(Default)]
struct Memory {
    objects: Mutex<BTreeMap<String, Stored>>,
    careless: bool,
}

fn tag_of(bytes: &[u8]) -> ETag {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, bytes).hash(&mut hasher);
        hasher.finish()
    };
    ETag::Strong(format!("{:016x}{:016x}", half(0), half(1)))
}

impl Memory {
    fn objects(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Stored>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn known(bucket: &str) -> S3Result<()> {
    if bucket == BUCKET { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
}

#[async_trait::async_trait]
impl S3 for Memory {
    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let PutObjectInput {
            bucket,
            key,
            body,
            if_match,
            if_none_match,
            metadata,
            content_type,
            ..
        } = request.input;
        known(&bucket)?;
        let mut bytes = Vec::new();
        if let Some(mut body) = body {
            while let Some(part) = body.try_next().await.map_err(|_| s3_error!(IncompleteBody))? {
                bytes.extend_from_slice(&part);
            }
        }
        let tag = tag_of(&bytes);
        // From here on one at a time: what was looked at is what is replaced.
        let mut objects = self.objects();
        let found = objects.get(&key).map(|stored| &stored.tag);
        let holds = |condition: &ETagCondition| match condition {
            ETagCondition::Any => found.is_some(),
            ETagCondition::ETag(tag) => found == Some(tag),
        };
        let refused = if_match.as_ref().is_some_and(|c| !holds(c))
            || if_none_match.as_ref().is_some_and(holds);
        if refused && !self.careless {
            return Err(s3_error!(PreconditionFailed));
        }
        let (bytes, at) = (bytes.into(), SystemTime::now());
        let stored = Stored { bytes, tag: tag.clone(), at, metadata, content_type };
        objects.insert(key, stored);
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(tag), ..Default::default() }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let GetObjectInput { bucket, key, range, .. } = request.input;
        known(&bucket)?;
        let objects = self.objects();
        let stored = objects.get(&key).ok_or_else(|| s3_error!(NoSuchKey))?;
        let all = stored.bytes.len() as u64;
        let range = range.map(|range| range.check(all)).transpose()?;
        let content_range =
            range.as_ref().map(|r| format!("bytes {}-{}/{all}", r.start, r.end - 1));
        let bytes = range.map_or_else(
            || stored.bytes.clone(),
            |r| stored.bytes.slice(r.start as usize..r.end as usize),
        );
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(bytes.len() as i64),
            content_range,
            e_tag: Some(stored.tag.clone()),
            last_modified: Some(stored.at.into()),
            body: Some(StreamingBlob::from(s3s::Body::from(bytes))),
            metadata: stored.metadata.clone(),
            content_type: stored.content_type.clone(),
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        known(&request.input.bucket)?;
        let objects = self.objects();
        let stored = objects.get(&request.input.key).ok_or_else(|| s3_error!(NoSuchKey))?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(stored.bytes.len() as i64),
            e_tag: Some(stored.tag.clone()),
            last_modified: Some(stored.at.into()),
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        known(&request.input.bucket)?;
        self.objects().remove(&request.input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        known(&request.input.bucket)?;
        let mut objects = self.objects();
        let deleted = request.input.delete.objects.into_iter().map(|object| {
            objects.remove(&object.key);
            DeletedObject { key: Some(object.key), ..Default::default() }
        });
        let deleted = Some(deleted.collect());
        Ok(S3Response::new(DeleteObjectsOutput { deleted, ..Default::default() }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let ListObjectsV2Input {
            bucket, prefix, continuation_token, start_after, max_keys, ..
        } = request.input;
        known(&bucket)?;
        let prefix = prefix.unwrap_or_default();
        // Small pages, so that reading on is tested, too.
        let limit = max_keys.unwrap_or(1000).min(100) as usize;
        let objects = self.objects();
        let after = continuation_token.or(start_after).unwrap_or_default();
        let mut found: Vec<Object> = objects
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && **key > after)
            .take(limit + 1)
            .map(|(key, stored)| Object {
                key: Some(key.clone()),
                size: Some(stored.bytes.len() as i64),
                e_tag: Some(stored.tag.clone()),
                last_modified: Some(stored.at.into()),
                ..Default::default()
            })
            .collect();
        let is_truncated = found.len() > limit;
        found.truncate(limit);
        let next = found.last().and_then(|object| object.key.clone()).filter(|_| is_truncated);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(bucket),
            key_count: Some(found.len() as i32),
            is_truncated: Some(is_truncated),
            next_continuation_token: next,
            contents: Some(found),
            ..Default::default()
        }))
    }
}

/// Serves on a free port of loopback for as long as it is polled, after it told `ready` its address.
///
/// # Errors
/// No port can be had.
pub async fn serve(careless: bool, ready: impl FnOnce(String)) -> io::Result<()> {
    let mut service = S3ServiceBuilder::new(Memory { careless, ..Memory::default() });
    service.set_auth(SimpleAuth::from_single(CREDENTIALS.0, CREDENTIALS.1));
    let service = service.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    ready(format!("http://{}", listener.local_addr()?));
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let service = service.clone();
        tokio::spawn(async move {
            let served = Builder::new(TokioExecutor::new());
            let _ = served.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
