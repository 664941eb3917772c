//! A bucket in memory that loses requests and answers, and takes conditions for decoration, when told to.

use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    memory::InMemory, path::Path,
};

/// What happens to a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    LostRequest,
    LostAnswer,
    Denied,
}

/// See the module. Clones are the same bucket.
#[derive(Debug, Clone, Default)]
pub(super) struct Fake(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    objects: InMemory,
    /// For the next puts of the head.
    faults: Mutex<VecDeque<Fault>>,
    /// For all puts that follow.
    always: Mutex<Option<Fault>>,
    creates_always: Mutex<bool>,
    replaces_always: Mutex<bool>,
    puts: AtomicUsize,
}

impl Fake {
    pub(super) fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.faults.lock().unwrap().extend(faults);
    }

    pub(super) fn always(&self, fault: Option<Fault>) {
        *self.0.always.lock().unwrap() = fault;
    }

    pub(super) fn ignore_conditions(&self, create: bool, replace: bool) {
        *self.0.creates_always.lock().unwrap() = create;
        *self.0.replaces_always.lock().unwrap() = replace;
    }

    /// Puts since the last call.
    pub(super) fn puts(&self) -> usize {
        self.0.puts.swap(0, Ordering::SeqCst)
    }

    /// The objects themselves, behind the store's back.
    pub(super) fn objects(&self) -> &InMemory {
        &self.0.objects
    }
}

impl fmt::Display for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

fn lost() -> Error {
    Error::Generic { store: "fake", source: "connection reset; id hush".into() }
}

#[async_trait]
impl ObjectStore for Fake {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        self.0.puts.fetch_add(1, Ordering::SeqCst);
        let always = match &options.mode {
            PutMode::Create => *self.0.creates_always.lock().unwrap(),
            PutMode::Update(_) => *self.0.replaces_always.lock().unwrap(),
            PutMode::Overwrite => false,
        };
        if always {
            options.mode = PutMode::Overwrite;
        }
        let planned = location.filename() == Some("head");
        let planned = planned.then(|| self.0.faults.lock().unwrap().pop_front()).flatten();
        let fault = planned.or(*self.0.always.lock().unwrap());
        match fault {
            None => self.0.objects.put_opts(location, payload, options).await,
            Some(Fault::LostRequest) => Err(lost()),
            Some(Fault::LostAnswer) => {
                self.0.objects.put_opts(location, payload, options).await?;
                Err(lost())
            }
            Some(Fault::Denied) => {
                Err(Error::PermissionDenied { path: location.to_string(), source: "no".into() })
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.objects.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.objects.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.objects.copy_opts(from, to, options).await
    }
}
