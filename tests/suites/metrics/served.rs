//! `/metrics` of `lovage serve`: for whoever may see all tenants, and nobody else.

use lovage_tests::{WITHIN, eventually};

use super::scrape::{Scrape, promtool};
use crate::{
    http::Served,
    small::{job, tenant},
};

#[tokio::test]
async fn numbers_of_the_cluster_are_for_those_who_see_all_tenants() {
    let served = Served::start(&["--metrics-per-tenant"]);
    let (viewer, own) = (served.token(None, "viewer"), served.token(Some("acme"), "admin"));
    served.known(&viewer).await;
    served.known(&own).await;
    assert_eq!(served.get("/metrics", "").await.status, 401);
    // in the words for what is not there: the numbers are of everyone
    assert_eq!(served.get("/metrics", &own).await.status, 404);
    let client = lovage_client::Client::new(served.nats.connect().await, tenant("acme"));
    client.submit(job("one").unchecked()).await.unwrap();
    let scrape = eventually("the job to be told", WITHIN, async || {
        let answer = served.get("/metrics", &viewer).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        let scrape = Scrape { text: answer.text };
        let waiting = scrape.find("lovage_queue_jobs_waiting", &[("queue", "default"), ("lane", "normal")]);
        if waiting == Some(1.0) { Ok(scrape) } else { Err(scrape.text) }
    })
    .await;
    assert_eq!(scrape.value("lovage_queue_workers", &[("queue", "default")]), 0.0);
    assert_eq!(scrape.value("lovage_stored_messages", &[("asset", "jobs")]), 1.0);
    assert!(scrape.value("lovage_tenant_stored_bytes", &[("tenant", "acme")]) > 0.0);
    promtool("metrics", &scrape.text);
}
