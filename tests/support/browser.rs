//! A real browser without a screen: Debian's chromium, driven over its debugging protocol, with a profile and a port of
//! its own.
//!
//! A [`Tab`] remembers what went on in it: messages of the console, exceptions, refusals of the page's policy and every
//! request, so that a test can say that there was nothing it did not want.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chromiumoxide::{
    Page,
    browser::{Browser as Driver, BrowserConfig},
    cdp::{
        browser_protocol::{
            emulation::{MediaFeature, SetDeviceMetricsOverrideParams},
            log::{EventEntryAdded, LogEntryLevel},
            network::{EnableParams, EventRequestWillBeSent},
            page::{CaptureScreenshotFormat, Viewport},
        },
        js_protocol::runtime::{EventConsoleApiCalled, EventExceptionThrown},
    },
    page::ScreenshotParams,
};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::{WITHIN, eventually, repository};

/// What the browser is started with, besides what the driver gives it: nothing of it talks to anyone by itself.
const FLAGS: [&str; 6] = [
    "disable-gpu",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "disable-dev-shm-usage",
];

/// Finds the browser's program: the one `LOVAGE_CHROMIUM` names, or `chromium` on the path.
#[must_use]
pub fn find_chromium() -> Option<PathBuf> {
    if let Some(path) = env::var_os("LOVAGE_CHROMIUM").filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(path));
    }
    let paths = env::var_os("PATH")?;
    env::split_paths(&paths).map(|folder| folder.join("chromium")).find(|path| path.is_file())
}

/// A browser; it ends, and its profile goes, with the test.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
    talk: JoinHandle<()>,
    _profile: TempDir,
}

/// A page of a browser.
#[derive(Debug)]
pub struct Tab {
    page: Page,
    size: Mutex<(u32, u32)>,
    seen: Arc<Mutex<Seen>>,
    listeners: Vec<JoinHandle<()>>,
}

/// What went on in a tab.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// Messages that are warnings or worse, exceptions, refusals.
    pub faults: Vec<String>,
    /// What was requested.
    pub requests: Vec<String>,
}

impl Browser {
    /// Starts a browser.
    pub async fn start() -> Self {
        let program = find_chromium().expect(
            "there is no chromium: install it (apt-get install chromium), or name one in LOVAGE_CHROMIUM; \
             `cargo verify` leaves these tests out without it",
        );
        let profile = tempfile::tempdir().expect("a temporary folder");
        let config = BrowserConfig::builder()
            .chrome_executable(program)
            .user_data_dir(profile.path())
            .window_size(1280, 900)
            .no_sandbox()
            .new_headless_mode()
            .viewport(None)
            .launch_timeout(WITHIN)
            .request_timeout(WITHIN)
            .args(FLAGS)
            .build()
            .expect("a program is named");
        let (driver, mut handler) = Driver::launch(config).await.unwrap_or_else(|error| panic!("chromium: {error}"));
        let talk = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Self { driver, talk, _profile: profile }
    }

    /// Opens a tab of this size on nothing.
    pub async fn tab(&self, width: u32, height: u32) -> Tab {
        let page = self.driver.new_page("about:blank").await.expect("a new tab");
        page.enable_log().await.expect("the log is told");
        page.execute(EnableParams::default()).await.expect("requests are told");
        let mut tab = Tab { page, size: Mutex::new((width, height)), seen: Arc::default(), listeners: Vec::new() };
        tab.listen::<EventEntryAdded>(|event, seen| {
            if matches!(event.entry.level, LogEntryLevel::Warning | LogEntryLevel::Error) {
                seen.faults.push(format!("{:?}: {} {:?}", event.entry.source, event.entry.text, event.entry.url));
            }
        })
        .await;
        tab.listen::<EventConsoleApiCalled>(|event, seen| {
            seen.faults.push(format!("console: {:?}", event.args.iter().map(|arg| &arg.value).collect::<Vec<_>>()));
        })
        .await;
        tab.listen::<EventExceptionThrown>(|event, seen| {
            seen.faults.push(format!("exception: {:?}", event.exception_details));
        })
        .await;
        tab.listen::<EventRequestWillBeSent>(|event, seen| seen.requests.push(event.request.url.clone())).await;
        tab.size(width, height).await;
        tab
    }

    /// Ends it orderly.
    pub async fn close(mut self) {
        // what does not close is killed as this is dropped
        let _ = self.driver.close().await;
        let _ = self.driver.wait().await;
        self.talk.abort();
    }
}

impl Tab {
    async fn listen<E: chromiumoxide::cdp::IntoEventKind + Unpin + Send + Sync + 'static>(
        &mut self,
        note: impl Fn(&E, &mut Seen) + Send + 'static,
    ) {
        let mut events = self.page.event_listener::<E>().await.expect("events are told");
        let seen = self.seen.clone();
        self.listeners.push(tokio::spawn(async move {
            while let Some(event) = events.next().await {
                note(&event, &mut seen.lock().unwrap_or_else(PoisonError::into_inner));
            }
        }));
    }

    /// Sets the size of the page, as a screen has it.
    pub async fn size(&self, width: u32, height: u32) {
        *self.size.lock().unwrap_or_else(PoisonError::into_inner) = (width, height);
        let size = SetDeviceMetricsOverrideParams::new(i64::from(width), i64::from(height), 1.0, width < 600);
        self.page.execute(size).await.expect("a size");
    }

    /// Makes the reader's system dark or light.
    pub async fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let feature = MediaFeature::new("prefers-color-scheme", value);
        self.page.emulate_media_features(vec![feature]).await.expect("a colour scheme");
    }

    /// Opens a page.
    pub async fn open(&self, url: &str) {
        // a navigation may bring another process, which knows of no size
        let (width, height) = *self.size.lock().unwrap_or_else(PoisonError::into_inner);
        self.size(width, height).await;
        self.page.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Where it is now.
    pub async fn place(&self) -> String {
        self.value::<String>("location.pathname + location.search").await
    }

    /// What an expression of the page's script language gives.
    pub async fn value<T: DeserializeOwned>(&self, expression: &str) -> T {
        let given = self.page.evaluate(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"));
        given.into_value().unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until an expression is true. A page that is just being left is asked again.
    pub async fn until(&self, expression: &str) {
        let ask = format!("Boolean({expression})");
        let what = format!("{expression} on {:?}", self.page.url().await);
        eventually(&what, WITHIN, async || match self.page.evaluate(ask.as_str()).await {
            Ok(given) if given.value() == Some(&serde_json::Value::Bool(true)) => Ok(()),
            Ok(_) => Err(self.words().await),
            Err(error) => Err(error.to_string()),
        })
        .await;
    }

    /// Waits until the page shows some text.
    pub async fn shows(&self, text: &str) {
        self.until(&format!("document.body?.innerText.includes({})", quoted(text))).await;
    }

    /// Waits until the page at this path has been loaded.
    pub async fn at(&self, path: &str) {
        let path = quoted(path);
        self.until(&format!("document.readyState === 'complete' && location.pathname.startsWith({path})")).await;
    }

    /// All its words.
    pub async fn words(&self) -> String {
        let given = self.page.evaluate("document.body?.innerText ?? ''").await;
        given.ok().and_then(|given| given.into_value().ok()).unwrap_or_default()
    }

    /// Clicks as a person does: on what is shown, with the mouse.
    pub async fn click(&self, selector: &str) {
        self.until(&format!("document.querySelector({})", quoted(selector))).await;
        let what = format!("{selector} to be clicked");
        eventually(&what, WITHIN, async || {
            let element = self.page.find_element(selector).await.map_err(|error| error.to_string())?;
            element.click().await.map(|_| ()).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Types into a field, in the place of what is there.
    pub async fn fill(&self, selector: &str, text: &str) {
        self.until(&format!("document.querySelector({})", quoted(selector))).await;
        let field = format!("document.querySelector({})", quoted(selector));
        let clear = format!("{{ const field = {field}; field.focus(); field.select(); field.value = ''; }}");
        self.page.evaluate(clear).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        let element = self.page.find_element(selector).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
        element.type_str(text).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Chooses in a list.
    pub async fn choose(&self, selector: &str, value: &str) {
        self.until(&format!("document.querySelector({})", quoted(selector))).await;
        let choose = format!(
            "{{ const list = document.querySelector({}); list.value = {}; \
             list.dispatchEvent(new Event('change', {{ bubbles: true }})); }}",
            quoted(selector),
            quoted(value)
        );
        self.page.evaluate(choose).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Presses keys, one after the other.
    pub async fn press(&self, keys: &[&str]) {
        let body = self.page.find_element("body").await.expect("a body");
        for key in keys {
            body.press_key(*key).await.unwrap_or_else(|error| panic!("{key}: {error}"));
        }
    }

    /// Drops a file onto something, as a person does who drags it there.
    pub async fn drop_file(&self, selector: &str, file: &Path) {
        self.until(&format!("document.querySelector({})", quoted(selector))).await;
        let bytes = fs::read(file).expect("a file to drop");
        let name = file.file_name().expect("a file has a name").to_string_lossy();
        let script = format!(
            "{{ const bytes = Uint8Array.from({}, (c) => c.charCodeAt(0)); const data = new DataTransfer(); \
             data.items.add(new File([bytes], {}, {{ type: 'application/wasm' }})); \
             for (const kind of ['dragenter', 'dragover', 'drop']) document.querySelector({}).dispatchEvent(\
             new DragEvent(kind, {{ dataTransfer: data, bubbles: true, cancelable: true }})); }}",
            quoted(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
            quoted(&name),
            quoted(selector)
        );
        self.page.evaluate(script).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Keeps a picture of the whole page in `target/screenshots`.
    pub async fn picture(&self, name: &str) -> PathBuf {
        let folder = repository().join("target/screenshots");
        fs::create_dir_all(&folder).expect("a folder for pictures");
        let path = folder.join(format!("{name}.png"));
        let root = "document.documentElement";
        let width: f64 = self.value(&format!("{root}.clientWidth")).await;
        let height: f64 = self.value(&format!("{root}.scrollHeight")).await;
        // a picture of the full page would reset the size
        let clip = Viewport { x: 0.0, y: 0.0, width, height, scale: 1.0 };
        let params = ScreenshotParams::builder().format(CaptureScreenshotFormat::Png).clip(clip);
        let params = params.capture_beyond_viewport(true).build();
        self.page.save_screenshot(params, &path).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        path
    }

    /// What went on in it so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fails the test where something went wrong in it, or where it asked another server than `origin`.
    #[track_caller]
    pub fn is_clean(&self, origin: &str) {
        let seen = self.seen();
        assert!(seen.faults.is_empty(), "{:#?}", seen.faults);
        let elsewhere: Vec<_> = seen
            .requests
            .iter()
            .filter(|url| !url.starts_with(origin) && !url.starts_with("data:") && *url != "about:blank")
            .collect();
        assert!(elsewhere.is_empty(), "asked elsewhere: {elsewhere:?}");
    }

    /// Waits until nothing has been asked for a moment.
    pub async fn rests(&self) {
        let mut before = usize::MAX;
        eventually("the page to rest", WITHIN, async || {
            let now = self.seen().requests.len();
            let rests = now == before;
            before = now;
            tokio::time::sleep(Duration::from_millis(200)).await;
            if rests { Ok(()) } else { Err("it asks") }
        })
        .await;
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}
