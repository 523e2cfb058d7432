//! Which hostile input is shown by which test. The list is held to the tests that exist, so that it cannot rot.

use std::{collections::BTreeMap, fs, io::Write, path::Path};

use lovage_tests::repository;

/// A hostile input and the tests that show what becomes of it: the path of a test within the suites, or
/// `crate: name` for one of a crate's own.
struct Input {
    number: &'static str,
    what: &'static str,
    tests: &'static [&'static str],
}

/// The inputs of the plan, in its order.
const INPUTS: &[Input] = &[
    input("H1", "an empty file", &["bad_upload::files::file_that_is_no_webassembly_is_told_what_it_is"]),
    input(
        "H2",
        "a core module",
        &[
            "bad_upload::files::component_that_exports_nothing_to_run_is_told_what_would_be",
            "bad_upload::files::import_that_nobody_gives_is_named",
        ],
    ),
    input(
        "H3",
        "a component that is cut or lies about its sections",
        &[
            "hostile::uploads::component_cut_at_the_edge_of_each_section_is_refused",
            "hostile::uploads::sections_that_lie_about_their_size_are_refused",
            "sandbox: cut_files_are_refused_wherever_they_are_cut",
        ],
    ),
    input("H4", "a component that is too large", &["bad_upload::files::size_is_limited_to_the_byte"]),
    input(
        "H5",
        "200,000 functions",
        &["bad_upload::costly::component_of_200_000_functions_is_refused_before_it_is_compiled"],
    ),
    input(
        "H6",
        "functions that are dear to compile",
        &[
            "sandbox: large_functions_and_many_locals_are_refused",
            "bad_upload::costly::function_that_is_too_dear_to_compile_disturbs_no_running_job",
        ],
    ),
    input(
        "H7",
        "types and components that nest or multiply",
        &["hostile::uploads::types_and_components_that_nest_or_multiply_are_refused"],
    ),
    input(
        "H8",
        "compiled code, pushed or put on the disk",
        &[
            "bad_upload::files::compiled_code_is_never_accepted",
            "hostile::cache::compiled_code_that_was_swapped_or_changed_never_runs",
        ],
    ),
    input("H9", "other bytes under a digest", &["bad_upload::stored::other_bytes_under_a_digest_never_run"]),
    input(
        "H10",
        "imports that nobody gives, and names that attack",
        &[
            "bad_upload::files::import_that_nobody_gives_is_named",
            "hostile::uploads::names_of_exports_and_imports_that_attack_are_told_harmlessly",
        ],
    ),
    input("H11", "a loop without end", &["hostile::guests::loops_without_end_run_out_of_fuel_or_time"]),
    input(
        "H12",
        "sleep and poll without end",
        &["hostile::guests::sleep_and_poll_without_end_are_stopped_at_the_deadline"],
    ),
    input(
        "H13",
        "cheap host calls without end",
        &["hostile::guests::cheap_host_calls_without_end_are_stopped_at_the_deadline"],
    ),
    input("H14", "memory without end", &["hostile::guests::memory_without_end_is_refused"]),
    input("H15", "tables and instances", &["hostile::guests::tables_and_instances_without_end_are_refused"]),
    input("H16", "resources never dropped", &["hostile::guests::resources_that_are_never_dropped_are_refused"]),
    input("H17", "header fields without end", &["hostile::guests::headers_without_end_are_refused"]),
    input(
        "H18",
        "texts of a gibibyte to the host",
        &["hostile::guests::texts_larger_than_memory_or_limit_do_not_reach_the_host"],
    ),
    input(
        "H19",
        "writes of nothing without end",
        &["hostile::guests::writes_of_nothing_without_end_are_stopped_at_the_deadline"],
    ),
    input("H20", "output without end", &["hostile::guests::output_without_end_is_cut_and_said_to_be"]),
    input(
        "H21",
        "a search for what another tenant left",
        &[
            "hostile::residue::fresh_memory_holds_nothing_of_another_tenant",
            "hostile::residue::first_memory_tables_and_locals_hold_nothing_of_another_tenant",
            "hostile::residue::random_numbers_of_two_tenants_are_never_the_same",
            "hostile::residue::what_a_job_keeps_is_not_there_for_a_job_of_another_tenant_with_its_id",
            "tenants::same_task_name_runs_each_tenants_own_code_and_version",
        ],
    ),
    input("H22", "traps wherever they can be", &["hostile::guests::traps_wherever_they_are_leave_a_clean_worker"]),
    input(
        "H23",
        "requests to loopback, private and metadata addresses",
        &[
            "capabilities_http::addresses_that_are_not_public_are_refused_also_where_the_host_is_granted",
            "lovage: public_addresses_are_told_from_others",
        ],
    ),
    input(
        "H24",
        "a name that resolves to a private address",
        &[
            "capabilities_http::addresses_that_are_not_public_are_refused_also_where_the_host_is_granted",
            "lovage: each_address_of_a_host_must_be_public",
        ],
    ),
    input(
        "H25",
        "a redirect to where the task may not go",
        &["capabilities_http::granted_hosts_are_reached_and_every_other_is_not"],
    ),
    input(
        "H26",
        "a request that could be read as two",
        &[
            "capabilities_http::hostile::nothing_that_a_task_sends_is_read_as_another_request_or_host",
            "lovage: what_could_be_two_requests_is_refused",
        ],
    ),
    input(
        "H27",
        "an answer without end, or one that drips",
        &[
            "capabilities_http::granted_hosts_are_reached_and_every_other_is_not",
            "capabilities_http::hostile::answers_that_drip_are_cut_at_the_deadline_of_the_job",
        ],
    ),
    input("H28", "results that are none", &["hostile::guests::results_that_are_none_are_told"]),
    input(
        "H29",
        "payloads and follow-ups that are deep, double or damaged",
        &[
            "hostile::jobs::payloads_that_are_deep_double_or_damaged_are_bad_input",
            "hostile::jobs::what_follows_a_job_is_read_within_bounds",
            "bad_input::payload_of_the_wrong_type_is_told_with_its_place_before_and_after_publishing",
            "bad_input::header_bytes_that_are_no_text_harm_nobody",
        ],
    ),
    input(
        "H30",
        "unknown tasks and versions",
        &[
            "hostile::jobs::jobs_that_name_what_is_not_there_end_at_once",
            "bad_input::unknown_task_is_told_by_the_client_and_by_the_dead_letter",
        ],
    ),
    input(
        "H31",
        "a tenant that is claimed",
        &["hostile::jobs::tenant_of_a_job_is_that_of_its_subject_whatever_it_says"],
    ),
    input(
        "H32",
        "names that attack",
        &[
            "hostile::jobs::names_that_attack_are_no_names",
            "bad_input::options_that_are_no_names_are_refused_before_anything_is_sent",
            "bad_input::plain_subject_that_names_no_job_is_buried_with_the_reason",
            "bad_upload::options::name_that_is_none_is_refused_with_the_rule",
        ],
    ),
    input(
        "H33",
        "headers of the broker, forged",
        &["hostile::jobs::headers_of_the_broker_reach_neither_another_tenant_nor_a_guest"],
    ),
    input(
        "H34",
        "a reused key with another body",
        &["hostile::jobs::reused_key_with_another_body_is_told_and_runs_nothing"],
    ),
    input(
        "H35",
        "policies that make no sense",
        &[
            "hostile::jobs::policies_that_make_no_sense_are_told_by_name",
            "bad_input::absurd_header_is_named_in_the_dead_letter",
        ],
    ),
    input(
        "H36",
        "schedules that make no sense",
        &["schedules::options::schedules_that_make_no_sense_are_refused_before_anything_is_sent"],
    ),
    input(
        "H37",
        "cycles and fan-out",
        &[
            "guests::a_job_that_submits_itself_ends_at_the_depth",
            "guests::fan_out_of_the_operator_is_named_where_it_is_reached",
            "groups::groups_that_make_no_sense_are_refused_before_anything_is_submitted",
        ],
    ),
    input(
        "H38",
        "a payload at the limit and above",
        &["sizes::plain_publisher_hears_from_the_server_when_the_payload_is_too_large"],
    ),
    input("H39", "a backlog of one tenant", &["tenants::backlog_of_one_tenant_does_not_keep_another_waiting"]),
    input(
        "H40",
        "slow jobs of one tenant on every place",
        &["fairness::jobs_of_a_light_tenant_run_while_slow_ones_of_another_hold_every_place"],
    ),
    input(
        "H41",
        "a job that kills its worker",
        &[
            "quarantine::job_that_kills_three_workers_is_quarantined_and_can_be_replayed",
            "isolation::component_that_kills_three_runners_is_quarantined_and_its_neighbour_is_not",
        ],
    ),
    input(
        "H44",
        "text that attacks a terminal",
        &["hostile::terminal::text_of_a_guest_does_nothing_to_a_terminal", "lovage: an_event_is_one_harmless_line"],
    ),
    input("H47", "compressed uploads", &["hostile::uploads::archives_of_components_are_never_unpacked"]),
];

/// Inputs for what is not there: a page, an API over HTTP and its sessions.
const NO_SURFACE: [&str; 7] = ["H42", "H43", "H45", "H46", "H48", "H49", "H50"];

const fn input(number: &'static str, what: &'static str, tests: &'static [&'static str]) -> Input {
    Input { number, what, tests }
}

/// The names of all tests below a folder, by the path of their file within it.
fn tests_below(folder: &Path, within: &str, found: &mut BTreeMap<String, Vec<String>>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() {
            tests_below(&path, &format!("{within}{name}::"), found);
        } else if let Some(module) = name.strip_suffix(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut names = Vec::new();
            let mut is_test = false;
            for line in text.lines().map(str::trim_start) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if let Some(rest) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))
                    && std::mem::take(&mut is_test)
                {
                    names.extend(rest.split('(').next().map(str::to_owned));
                }
            }
            found.insert(format!("{within}{module}"), names);
        }
    }
}

#[test]
fn every_input_has_a_test_that_exists() {
    let folders = [("sandbox", "host/sandbox/src"), ("lovage", "host/daemon/src"), ("job", "host/job/src")];
    let mut suites = BTreeMap::new();
    tests_below(&repository().join("tests/suites"), "", &mut suites);
    let mut table = String::new();
    for Input { number, what, tests } in INPUTS {
        assert!(!tests.is_empty(), "{number} has no test");
        table += &format!("hostile: {number:<4} {what}\n");
        for test in *tests {
            let exists = match test.split_once(": ") {
                Some((krate, name)) => {
                    let (_, folder) = folders.iter().find(|(of, _)| *of == krate).unwrap();
                    let mut found = BTreeMap::new();
                    tests_below(&repository().join(folder), "", &mut found);
                    found.values().flatten().any(|test| test == name)
                }
                None => {
                    let (module, name) = test.rsplit_once("::").unwrap();
                    suites.get(module).is_some_and(|names| names.iter().any(|test| test == name))
                }
            };
            assert!(exists, "{number}: there is no test {test}");
            table += &format!("hostile:        {test}\n");
        }
    }
    table += &format!("hostile: no surface yet for {}\n", NO_SURFACE.join(", "));
    std::io::stderr().lock().write_all(table.as_bytes()).unwrap();
}
