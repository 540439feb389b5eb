//! What every store keeps, told from outside. An implementation passes a function that opens it.

pub(crate) mod blobs;
pub(crate) mod journals;
pub(crate) mod logs;
pub(crate) mod mail_model;
pub(crate) mod mailboxes;
pub(crate) mod model;
pub(crate) mod queue_model;
pub(crate) mod queues;
pub(crate) mod records;
pub(crate) mod watch;

use std::path::Path;

use tempfile::TempDir;
use tindra_store::{LogBounds, Store};

/// Opens the store in a directory.
pub(crate) type Open = fn(&Path, LogBounds) -> Store;

/// A store in a directory of its own, which can be closed and opened again.
pub(crate) struct Place {
    open: Open,
    bounds: LogBounds,
    directory: TempDir,
    store: Option<Store>,
}

impl Place {
    pub(crate) fn new(open: Open) -> Self {
        Self::with_bounds(open, LogBounds::default())
    }

    pub(crate) fn with_bounds(open: Open, bounds: LogBounds) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Some(open(directory.path(), bounds));
        Self { open, bounds, directory, store }
    }

    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Drops the store as it is and opens what is on the disk.
    pub(crate) fn reopen(&mut self) {
        self.store = None;
        self.store = Some((self.open)(self.directory.path(), self.bounds));
    }
}

/// Names every case once; `suite!(path::of::open)` makes them tests of the calling file.
macro_rules! suite {
    ($open:path) => {
        contract::suite!(@ $open,
            records: writes_are_read_back, a_batch_is_whole_or_nothing, preconditions_see_the_state_before_the_batch,
                revisions_only_grow, one_of_many_racers_wins, counters_lose_no_increment,
                lists_page_by_prefix_with_tricky_keys, reopening_keeps_everything, conflicts_do_not_harm_neighbours,
                a_thousand_commits_at_once, json_is_typed;
            watch: sees_every_change_under_its_prefix, says_when_it_lagged, ends_with_the_store;
            blobs: come_back_as_they_were, strange_names_find_nothing, survive_reopening;
            logs: keep_order_and_positions, know_their_streams, tricky_names_stay_apart, survive_reopening,
                stay_within_the_stream_bound, stay_within_the_group_bound, stay_within_the_number_of_streams,
                deleting_a_group_removes_it, many_streams_at_once, large_messages;
            model: random_operations_agree_with_a_map;
            queue_model: random_operations_agree_with_a_list;
            mailboxes: taken_letters_come_back_until_they_are_removed, the_hidden_time_can_be_changed, lines_keep_their_order,
                a_key_takes_one_letter_for_some_time, letters_taken_too_often_go_elsewhere_and_come_back,
                old_letters_and_cleared_ones_are_gone, takers_share_nothing, watchers_are_told_of_letters;
            mail_model: random_operations_on_letters_agree_with_a_list;
            journals: keep_order_and_offsets, pages_are_bounded_by_bytes, one_that_was_overtaken_is_told, trimmed_ones_keep_their_offsets;
            queues: messages_come_as_they_are_due, no_more_than_wanted_are_leased,
                completed_ones_are_gone_and_delayed_ones_come_again, a_lease_that_has_lapsed_is_somebody_elses,
                one_can_be_held_from_the_beginning, a_message_is_put_in_once,
                batches_reach_across_records_messages_and_journals, what_waits_is_listed, waiting_ones_can_be_made_due,
                all_of_a_prefix_are_removed, concurrent_leases_share_nothing;
        );
    };
    (@ $open:path, $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[test]
            fn $case() {
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
                    .block_on(super::contract::$module::$case($open));
            })+
        })+
    };
}
pub(crate) use suite;
