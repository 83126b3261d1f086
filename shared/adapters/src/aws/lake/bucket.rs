//! The calls on S3 that a lake is made of, in one bucket, and what their failures mean.

use std::future::Future;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::Object;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use mendlake_ports::{Kind, PortError, Result};

use crate::aws::error::{code, failed, unanswered};
use crate::stored::listing::{Listed, Stamp};

/// Calls at once of one answer: enough to hide most of their way, few enough for a small function's memory.
const AT_ONCE: usize = 16;

/// A conditional write meets another one of the same key this often in a row, at most: each lasts as long as one write.
const MOST_CONFLICTS: usize = 8;

/// Pages of one listing, of a thousand keys each: a listing that has more does not end.
const MOST_PAGES: usize = 10_000;

/// A bucket, and where in it the lake is.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    client: Client,
    name: String,
    /// Empty, or ends with `/`.
    prefix: String,
}

/// What creating did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Created {
    /// The object is there now.
    New,
    /// An object had this key already, and was left alone.
    Existed,
}

/// Who tries a write again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tries {
    /// The SDK, as it was set up. After a lost answer it finds its own object: `Existed`.
    Sdk,
    /// Nobody: `Existed` is somebody else's object, and a lost answer is told as one.
    One,
}

/// Which bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Whole,
    /// So many at the end, or all of them where there are no more.
    Last(usize),
}

impl Bucket {
    pub(super) fn new(client: Client, name: &str, prefix: &str) -> Self {
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Self { client, name: name.to_owned(), prefix }
    }

    /// The key of what lies at this path in the lake.
    pub(super) fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// A key as people name it.
    pub(super) fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// Creates an object, if there is none with this key: it appears whole or not at all.
    pub(super) async fn create(&self, key: &str, bytes: Vec<u8>, tries: Tries) -> Result<Created> {
        let bytes = Bytes::from(bytes);
        for _ in 0..MOST_CONFLICTS {
            let put = self.client.put_object().bucket(&self.name).key(key).if_none_match("*");
            let put = put.body(ByteStream::from(bytes.clone())).customize();
            let sent = match tries {
                Tries::Sdk => put.send().await,
                Tries::One => put.config_override(Config::builder().retry_config(RetryConfig::disabled())).send().await,
            };
            let error = match sent {
                Ok(_) => return Ok(Created::New),
                Err(error) => error,
            };
            match error.raw_response().map(|response| response.status().as_u16()) {
                Some(412) => return Ok(Created::Existed),
                // Another write of this key is under way, and S3 has not decided: asked again, it has.
                Some(409) => {}
                _ => return Err(failed(format!("write `{}`", self.url(key)), error)),
            }
        }
        let what = format!("write `{}`: others are writing it, {MOST_CONFLICTS} times in a row", self.url(key));
        Err(PortError::new(Kind::Unavailable, what))
    }

    /// An object's bytes, `None` where there is none.
    pub(super) async fn get(&self, key: &str, part: Part) -> Result<Option<Bytes>> {
        let get = self.client.get_object().bucket(&self.name).key(key);
        let get = match part {
            Part::Whole => get,
            Part::Last(bytes) => get.range(format!("bytes=-{bytes}")),
        };
        let doing = || format!("read `{}`", self.url(key));
        let output = match get.send().await {
            Ok(output) => output,
            Err(error) => match code(&error) {
                Some("NoSuchKey") => return Ok(None),
                // An object without bytes has no last ones.
                Some("InvalidRange") => return Ok(Some(Bytes::new())),
                _ => return Err(failed(doing(), error)),
            },
        };
        let wanted = output.content_length();
        let body = output.body.collect().await;
        let bytes = body.map_err(|error| unanswered(doing(), &error))?.into_bytes();
        match wanted {
            Some(wanted) if wanted != bytes.len() as i64 => {
                let what = format!("{}: the answer broke off after {} of {wanted} bytes", doing(), bytes.len());
                Err(PortError::new(Kind::Unavailable, what))
            }
            _ => Ok(Some(bytes)),
        }
    }

    /// Takes an object away; no error where there is none.
    pub(super) async fn remove(&self, key: &str) -> Result<()> {
        let removed = self.client.delete_object().bucket(&self.name).key(key).send().await;
        removed.map(drop).map_err(|error| failed(format!("remove `{}`", self.url(key)), error))
    }

    /// The keys that begin with this, without that beginning, in the order of their bytes.
    pub(super) async fn list(&self, beginning: &str) -> Result<Vec<String>> {
        Ok(self.listed(beginning).await?.into_iter().map(|object| object.name).collect())
    }

    /// The same, each with what tells its object's bytes from others.
    pub(super) async fn listed(&self, beginning: &str) -> Result<Vec<Listed>> {
        let pages = self.pages(beginning, false).await?;
        let listed = |object: &Object| {
            let name = object.key()?.strip_prefix(beginning)?.to_owned();
            let bytes = object.size().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
            Some(Listed { name, stamp: Stamp { bytes, change: object.e_tag().unwrap_or_default().to_owned() } })
        };
        Ok(pages.iter().flat_map(ListObjectsV2Output::contents).filter_map(listed).collect())
    }

    /// The folders right under this one, which ends with `/`, in the order of their bytes.
    pub(super) async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let pages = self.pages(folder, true).await?;
        let prefixes = pages.iter().flat_map(ListObjectsV2Output::common_prefixes).filter_map(|common| common.prefix());
        Ok(prefixes.filter_map(|prefix| Some(prefix.strip_prefix(folder)?.strip_suffix('/')?.to_owned())).collect())
    }

    /// Whether any key begins with this.
    pub(super) async fn has_any(&self, beginning: &str) -> Result<bool> {
        let list = self.client.list_objects_v2().bucket(&self.name).prefix(beginning).max_keys(1);
        let page = list.send().await.map_err(|error| failed(format!("list `{}`", self.url(beginning)), error))?;
        Ok(!page.contents().is_empty())
    }

    async fn pages(&self, beginning: &str, folders: bool) -> Result<Vec<ListObjectsV2Output>> {
        let doing = || format!("list `{}`", self.url(beginning));
        let mut pages: Vec<ListObjectsV2Output> = Vec::new();
        for _ in 0..MOST_PAGES {
            let list = self.client.list_objects_v2().bucket(&self.name).prefix(beginning);
            let list = list.set_delimiter(folders.then(|| "/".to_owned()));
            let next = pages.last().and_then(|page| page.next_continuation_token()).map(str::to_owned);
            let page = list.set_continuation_token(next).send().await.map_err(|error| failed(doing(), error))?;
            let (more, told) = (page.is_truncated() == Some(true), page.next_continuation_token().is_some());
            pages.push(page);
            match (more, told) {
                (false, _) => return Ok(pages),
                (true, true) => {}
                // Less than there is would be an answer without an error.
                (true, false) => break,
            }
        }
        Err(PortError::new(Kind::Unavailable, format!("{}: the listing has no end", doing())))
    }
}

/// Does these a few at a time; gives what they give in their order, or the first failure.
pub(super) fn at_once<T, I>(work: I) -> impl Future<Output = Result<Vec<T>>> + Send
where
    T: Send,
    I: IntoIterator<Item: Future<Output = Result<T>> + Send, IntoIter: Send>,
{
    stream::iter(work).buffered(AT_ONCE).try_collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::aws::scripted::{self, Answer, Asked};

    fn bucket(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Bucket, scripted::Log) {
        let (config, log) = scripted::config(1, answer);
        (Bucket::new(Client::new(&config), "lake", "/one/"), log)
    }

    /// Answers in turn; the last one for ever.
    fn in_turn(answers: Vec<Answer>) -> impl Fn(&Asked) -> Answer + Send + Sync {
        let next = AtomicUsize::new(0);
        move |_| answers[next.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)].clone()
    }

    #[tokio::test]
    async fn a_write_is_conditional_and_412_is_an_object_that_existed() {
        let (bucket, log) = bucket(in_turn(vec![Answer::new(200, ""), Answer::s3(412, "PreconditionFailed")]));
        let key = bucket.key("quotes/x");
        assert_eq!(bucket.create(&key, b"rows".to_vec(), Tries::Sdk).await.expect("written"), Created::New);
        assert_eq!(bucket.create(&key, b"rows".to_vec(), Tries::Sdk).await.expect("there"), Created::Existed);
        let asked = log.asked();
        assert_eq!(asked.len(), 2);
        for asked in asked {
            assert!(asked.path.starts_with("lake.s3.") && asked.path.contains("/one/quotes/x"), "{}", asked.path);
            assert_eq!((asked.header("if-none-match"), asked.body.as_slice()), (Some("*"), &b"rows"[..]));
        }
    }

    #[tokio::test]
    async fn a_write_that_met_another_is_tried_again_and_not_for_ever() {
        let conflict = Answer::s3(409, "ConditionalRequestConflict");
        let (lucky, log) = bucket(in_turn(vec![conflict.clone(), conflict.clone(), Answer::new(200, "")]));
        assert_eq!(lucky.create("k", vec![], Tries::One).await.expect("written"), Created::New);
        assert_eq!(log.asked().len(), 3);
        let (never, log) = bucket(in_turn(vec![conflict]));
        let error = never.create("k", vec![], Tries::Sdk).await.expect_err("never");
        assert!(error.kind == Kind::Unavailable && error.chain().contains("`s3://lake/k`"), "{}", error.chain());
        assert_eq!(log.asked().len(), MOST_CONFLICTS);
    }

    #[tokio::test]
    async fn a_lost_answer_is_tried_again_by_the_sdk_alone_where_it_may() {
        let answers = || in_turn(vec![Answer::Lost, Answer::s3(412, "PreconditionFailed")]);
        let (config, log) = scripted::config(3, answers());
        let bucket = Bucket::new(Client::new(&config), "lake", "");
        assert_eq!(bucket.create("k", vec![], Tries::Sdk).await.expect("there"), Created::Existed);
        assert_eq!(log.asked().len(), 2);
        let (config, log) = scripted::config(3, answers());
        let bucket = Bucket::new(Client::new(&config), "lake", "");
        let error = bucket.create("k", vec![], Tries::One).await.expect_err("nothing is known");
        assert_eq!((error.kind, log.asked().len()), (Kind::Unavailable, 1), "{}", error.chain());
        assert!(error.is_no_answer() && error.chain().contains("look at the network"), "{}", error.chain());
    }

    #[tokio::test]
    async fn failures_say_what_to_do() {
        for (status, code, kind) in [
            (503, "SlowDown", Kind::Throttled),
            (503, "ServiceUnavailable", Kind::Unavailable),
            (500, "InternalError", Kind::Unavailable),
            (403, "AccessDenied", Kind::Denied),
            (404, "NoSuchBucket", Kind::Rejected),
            (301, "PermanentRedirect", Kind::Rejected),
        ] {
            let (bucket, _) = bucket(in_turn(vec![Answer::s3(status, code)]));
            let errors = [
                bucket.create("k", vec![], Tries::Sdk).await.map(drop).expect_err(code),
                bucket.get("k", Part::Whole).await.map(drop).expect_err(code),
                bucket.list("k").await.map(drop).expect_err(code),
                bucket.remove("k").await.expect_err(code),
            ];
            for error in errors {
                assert_eq!(error.kind, kind, "{}", error.chain());
                assert!(error.chain().contains("`s3://lake/k`") && error.chain().contains(code), "{}", error.chain());
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_object() {
        let cut = Answer::Whole(206, vec![("content-length", "100".into())], b"half".to_vec());
        let (bucket, log) = bucket(in_turn(vec![cut]));
        for part in [Part::Whole, Part::Last(100)] {
            let error = bucket.get("k", part).await.expect_err("half");
            assert_eq!(error.kind, Kind::Unavailable, "{}", error.chain());
        }
        assert_eq!(
            log.asked().iter().map(|asked| asked.header("range")).collect::<Vec<_>>(),
            [None, Some("bytes=-100")]
        );
    }

    #[tokio::test]
    async fn no_object_and_one_without_bytes_are_two_things() {
        let (none, _) = bucket(in_turn(vec![Answer::s3(404, "NoSuchKey")]));
        assert_eq!(none.get("k", Part::Last(8)).await.expect("none"), None);
        let (empty, _) = bucket(in_turn(vec![Answer::s3(416, "InvalidRange")]));
        assert_eq!(empty.get("k", Part::Last(8)).await.expect("empty"), Some(Bytes::new()));
    }

    #[tokio::test]
    async fn a_listing_is_read_to_its_last_page_or_is_none() {
        let page = |key: &str, more: &str| {
            let contents = format!("<Contents><Key>one/{key}</Key></Contents>");
            let folder = "<CommonPrefixes><Prefix>one/dt=x/</Prefix></CommonPrefixes>";
            Answer::new(200, format!("<ListBucketResult>{more}{contents}{folder}</ListBucketResult>"))
        };
        let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>t 1</NextContinuationToken>";
        let (paged, log) = bucket(in_turn(vec![page("a", more), page("b", "<IsTruncated>false</IsTruncated>")]));
        assert_eq!(paged.list("one/").await.expect("listed"), ["a", "b"]);
        assert!(log.asked()[1].path.contains("continuation-token=t%201"), "{}", log.asked()[1].path);
        assert_eq!(paged.folders("one/").await.expect("listed"), ["dt=x"]);
        let (endless, _) = bucket(in_turn(vec![page("a", "<IsTruncated>true</IsTruncated>")]));
        assert_eq!(endless.list("one/").await.expect_err("no next page").kind, Kind::Unavailable);
    }
}
