//! Every action of the console, clicked, and what it came to at the broker.

use lovage_client::{JobState, NewJob};
use lovage_job::limit::PauseScope;
use lovage_job::name::{AliasName, TaskName};
use lovage_job::outcome::OutcomeKind;
use lovage_job::worker::WorkerMode;
use lovage_tests::{Tab, WITHIN, eventually};
use serde_json::json;

use crate::console_ground::{Dev, desk, ratio, slow};

/// Says yes to the question that an action asks first.
async fn sure(tab: &Tab) {
    tab.until("document.querySelector('#confirm').open").await;
    tab.click("#confirm button[value=yes]").await;
}

fn job(by: u32) -> NewJob {
    NewJob::json("ratio".parse().unwrap(), &json!({ "by": by })).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_and_letters_are_acted_on() {
    let dev = Dev::start().await;
    let (browser, tab) = desk().await;
    dev.upload(&tab, &dev.component("ratio.wasm", &ratio(true, "by zero"))).await;
    // the page has no field for fuel, and with that of the default the job would not last
    let component = dev.component("slow.wasm", &slow(120));
    dev.cli.ok(["push", component.to_str().unwrap(), "--fuel", "1000000000000", "--run-timeout", "5m"]);

    // cancel one that runs, after a question
    let slow = dev.client.submit(NewJob::new("slow".parse().unwrap(), "").timeout(WITHIN * 9)).await.unwrap().id;
    tab.open(&dev.page(&format!("/jobs/default/{slow}"))).await;
    tab.click("form[action$='/cancel'] button").await;
    tab.until("document.querySelector('#confirm').open").await;
    tab.click("#confirm button[value=no]").await;
    tab.click("form[action$='/cancel'] button").await;
    sure(&tab).await;
    tab.shows("is cancelled").await;
    let result = dev.client.wait(&slow, Some(WITHIN)).await.unwrap();
    assert_eq!(result.record.outcome, OutcomeKind::Cancelled);

    // cancel all that wait: first how many, then the deed
    let later: Vec<_> = futures::future::join_all((0..3).map(|_| dev.client.submit(job(1).delay(WITHIN * 100)))).await;
    tab.open(&dev.page("/jobs?state=delayed")).await;
    tab.until("document.querySelectorAll('tr[data-row]').length === 3").await;
    tab.click("button[value='cancel-all']").await;
    tab.until("document.querySelector('#preview b')?.textContent === '3'").await;
    tab.picture("acts-preview").await;
    for id in &later {
        let state = dev.client.find(&id.as_ref().unwrap().id).await.unwrap();
        assert!(matches!(state, JobState::Delayed { .. }), "nothing is done before the second click: {state:?}");
    }
    tab.click("button[name=sure]").await;
    tab.shows("3 cancelled").await;
    for id in later {
        let JobState::Done(result) = dev.client.find(&id.unwrap().id).await.unwrap() else { panic!("cancelled") };
        assert_eq!(result.record.outcome, OutcomeKind::Cancelled);
    }

    // letters: chosen ones are removed, a group is replayed
    let mut dead = Vec::new();
    for _ in 0..3 {
        let id = dev.client.submit(job(0)).await.unwrap().id;
        dev.client.wait(&id, Some(WITHIN)).await.unwrap();
        dead.push(id);
    }
    tab.open(&dev.page("/dead")).await;
    tab.click(&format!("input[name=id][value='{}']", dead[0])).await;
    tab.until("document.querySelector('[data-chosen]').textContent === '1'").await;
    tab.click(".bulk button[value=remove]").await;
    tab.until("document.querySelector('#preview b')?.textContent === '1'").await;
    tab.click("button[name=sure]").await;
    tab.shows("1 removed").await;
    tab.click("td button[value=replay]").await;
    tab.until("document.querySelector('#preview b')?.textContent === '2'").await;
    tab.click("button[name=sure]").await;
    tab.shows("2 replayed").await;
    tab.is_clean(&dev.url);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_queues_and_schedules_are_acted_on() {
    let dev = Dev::start().await;
    let (browser, tab) = desk().await;
    let task: TaskName = "ratio".parse().unwrap();
    dev.upload(&tab, &dev.component("one.wasm", &ratio(true, "one"))).await;
    dev.upload(&tab, &dev.component("two.wasm", &ratio(true, "two"))).await;
    let stable = async || dev.client.task(&task).await.unwrap().unwrap().aliases[&AliasName::stable()].to_string();
    assert_eq!(stable().await, "2");

    tab.open(&dev.page("/tasks/default/ratio")).await;
    tab.click("#versions form button").await;
    sure(&tab).await;
    tab.shows("names 1 from now on").await;
    assert_eq!(stable().await, "1");
    tab.click("#aliases form[action$='/rollback'] button").await;
    sure(&tab).await;
    tab.shows("names 2 again").await;
    tab.choose("#canary [name=one]", "2").await;
    tab.choose("#canary [name=two]", "1").await;
    tab.fill("#canary [name=share]", "25").await;
    tab.click("#canary button").await;
    tab.shows("from now on").await;
    assert_eq!(stable().await, "75%@2,25%@1");
    tab.picture("acts-canary").await;

    tab.click("form[action$='/pause'] button").await;
    tab.shows("task ratio is paused").await;
    assert!(dev.client.pauses().await.unwrap().iter().any(|pause| pause.scope == PauseScope::Task(task.clone())));
    tab.click("form[action$='/pause'] button").await;
    tab.shows("task ratio goes on").await;

    // what is wrong with a form is told beside it, and what was written stays
    tab.fill("input[name='in:/by']", "12345678901").await;
    tab.click("#submit button.main").await;
    tab.shows("/by").await;
    tab.until("document.querySelector(\"input[name='in:/by']\").value === '12345678901'").await;

    tab.open(&dev.page("/queues")).await;
    tab.click("form[action$='/queues/default/default/pause'] button").await;
    sure(&tab).await;
    tab.shows("queue default is paused").await;
    let queue = PauseScope::Queue("default".parse().unwrap());
    assert!(dev.client.pauses().await.unwrap().iter().any(|pause| pause.scope == queue));
    tab.click("form[action$='/queues/default/default/pause'] button").await;
    tab.shows("queue default goes on").await;
    assert!(dev.client.pauses().await.unwrap().is_empty());

    tab.open(&dev.page("/schedules")).await;
    tab.fill("input[name=name]", "nightly").await;
    tab.fill("input[name=when]", "0 3 * * *").await;
    tab.fill("textarea[name=input]", r#"{"by": 5}"#).await;
    tab.click("button.main").await;
    tab.shows("schedule nightly is added").await;
    tab.picture("acts-schedules").await;
    tab.click("form[action$='/nightly/pause'] button").await;
    tab.shows("schedule nightly is paused").await;
    assert!(dev.client.schedule(&"nightly".parse().unwrap()).await.unwrap().unwrap().paused);
    tab.click("form[action$='/nightly/run'] button").await;
    tab.at("/jobs/default/").await;
    tab.shows("completed").await;
    tab.open(&dev.page("/schedules")).await;
    tab.click("form[action$='/nightly/remove'] button").await;
    sure(&tab).await;
    tab.shows("schedule nightly is removed").await;
    assert!(dev.client.schedules().await.unwrap().is_empty());
    tab.open(&dev.page("/audit")).await;
    tab.shows("task promote").await;
    tab.is_clean(&dev.url);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_are_told() {
    let dev = Dev::start().await;
    let (browser, tab) = desk().await;
    let worker = async || dev.client.workers().await.unwrap().pop().expect("a worker runs");
    let most = worker().await.concurrency;
    tab.open(&dev.page("/workers")).await;
    tab.fill("input[name=concurrency]", "2").await;
    tab.fill("input[name=queues]", "default=3, mail").await;
    tab.click("form[action$='/set'] button").await;
    tab.shows("runs 2 attempts at once").await;
    let known = worker().await;
    assert_eq!((known.concurrency, known.shares.as_slice()), (2, &[3, 1][..]));
    tab.fill("input[name=concurrency]", "9000").await;
    tab.click("form[action$='/set'] button").await;
    tab.shows(&format!("from 1 to {most}")).await;
    tab.click("form[action$='/quiet'] button").await;
    sure(&tab).await;
    tab.shows("is quiet").await;
    assert_eq!(worker().await.mode, WorkerMode::Quiet);
    tab.click("form[action$='/resume'] button").await;
    tab.shows("is running").await;
    assert_eq!(worker().await.mode, WorkerMode::Running);
    tab.is_clean(&dev.url);
    tab.click("form[action$='/drain'] button").await;
    sure(&tab).await;
    eventually("the worker to end", WITHIN, async || match dev.client.workers().await.unwrap().is_empty() {
        true => Ok(()),
        false => Err("it runs"),
    })
    .await;
    browser.close().await;
}
