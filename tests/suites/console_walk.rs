//! The walk of somebody who has never seen it: from `lovage dev` to a job that is replayed on a version that was put
//! right, by the page alone.

use lovage_client::JobState;
use lovage_job::outcome::OutcomeKind;

use crate::console_ground::{Dev, desk, ratio};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_user_needs_no_terminal() {
    let dev = Dev::start().await;
    let (browser, tab) = desk().await;
    tab.open(&dev.page("/")).await;
    tab.shows("No tasks yet").await;
    tab.picture("walk-1-empty").await;

    // a component is dropped on the page
    tab.click("a.button.main[href^='/tasks']").await;
    tab.at("/tasks").await;
    tab.drop_file(".drop", &dev.component("ratio.wasm", &ratio(true, "by zero"))).await;
    tab.at("/tasks/default/ratio").await;
    tab.shows("uploaded: ratio version 1").await;
    tab.picture("walk-2-task").await;

    // a job from the form that its schema gives
    tab.fill("input[name='in:/by']", "4").await;
    tab.click("#submit button.main").await;
    tab.at("/jobs/default/").await;
    tab.shows("completed").await;
    tab.until("document.querySelector('#result-text')?.textContent.includes('25')").await;
    tab.picture("walk-3-job").await;

    // one that breaks
    tab.open(&dev.page("/tasks/default/ratio")).await;
    tab.fill("input[name='in:/by']", "0").await;
    tab.click("#submit button.main").await;
    tab.at("/jobs/default/").await;
    tab.shows("by zero").await;
    tab.shows("buried").await;
    let place = tab.place().await;
    let id = place.rsplit('/').next().unwrap().parse().unwrap();
    tab.picture("walk-4-broken").await;

    // the component that was put right
    tab.open(&dev.page("/tasks/default/ratio")).await;
    tab.drop_file(".drop", &dev.component("fixed.wasm", &ratio(false, ""))).await;
    tab.shows("uploaded: ratio version 2").await;
    tab.open(&dev.page(&place)).await;
    tab.choose("#replay-version", "2").await;
    tab.click("form[action$='/replay'] button").await;
    tab.shows("in its queue again").await;
    tab.shows("completed").await;
    tab.until("document.querySelector('#result-text')?.textContent.trim() === '0'").await;
    tab.picture("walk-5-replayed").await;

    let JobState::Done(result) = dev.client.find(&id).await.unwrap() else { panic!("it has ended") };
    assert_eq!(result.record.outcome, OutcomeKind::Completed);
    assert_eq!(result.record.version.unwrap().as_str(), "2");
    tab.is_clean(&dev.url);
    browser.close().await;
}
