//! The digest of what sequences say, whichever files said it.

use dayvec_core::Sequences;

/// A digest of every action: user, item and surface by their ids, action type, time, event key and duration. Users
/// without actions do not count.
///
/// So logs that say the same have the same digest, however they are laid out, and a log that has grown has that of
/// its older part for the older part.
#[must_use]
pub fn digest(sequences: &Sequences) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::new(); // of one user: many small updates are slow
    let actions = &sequences.actions;
    for user in 0..sequences.n_users() {
        let range = sequences.range(user);
        if range.is_empty() {
            continue;
        }
        bytes.clear();
        let id = sequences.users.get(user);
        bytes.extend_from_slice(&(id.len() as u64).to_le_bytes());
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(&(range.len() as u64).to_le_bytes());
        for at in range {
            let item = sequences.items.ids().get(actions.item[at] as usize);
            let surface = actions.surface.get(at).map_or(0, |&surface| surface);
            let surface =
                usize::from(surface).checked_sub(1).map_or("", |row| sequences.surfaces[row].as_str());
            for text in [item, surface] {
                bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            bytes.push(actions.action_type[at]);
            bytes.extend_from_slice(&actions.timestamp[at].to_le_bytes());
            bytes.extend_from_slice(&actions.event_key[at].to_le_bytes());
            let duration = actions.duration_s.get(at).map_or([0; 4], |seconds| seconds.to_le_bytes());
            bytes.extend_from_slice(&duration);
        }
        hasher.update(&bytes);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_action() -> Sequences {
        let mut sequences = Sequences {
            users: ["u"].into_iter().collect(),
            offsets: vec![0, 1],
            surfaces: vec!["home".into(), "search".into()],
            ..Sequences::default()
        };
        sequences.items.intern("x");
        sequences.items.intern("y");
        let actions = &mut sequences.actions;
        (actions.item, actions.action_type, actions.timestamp) = (vec![0], vec![0], vec![7]);
        (actions.positive, actions.event_key, actions.surface) = (vec![true], vec![1], vec![1]);
        actions.duration_s = vec![0.5];
        sequences
    }

    #[test]
    fn it_sees_every_column() {
        let mut digests = vec![digest(&one_action()).to_hex()];
        let changes: [fn(&mut Sequences); 7] = [
            |changed| changed.users = ["v"].into_iter().collect(),
            |changed| changed.actions.item = vec![1],
            |changed| changed.actions.action_type = vec![1],
            |changed| changed.actions.timestamp = vec![8],
            |changed| changed.actions.surface = vec![2],
            |changed| changed.actions.event_key = vec![2],
            |changed| changed.actions.duration_s = vec![1.5],
        ];
        for change in changes {
            let mut changed = one_action();
            change(&mut changed);
            digests.push(digest(&changed).to_hex());
        }
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 8);
    }

    #[test]
    fn it_names_runs_as_it_did_before() {
        assert_eq!(&digest(&one_action()).to_hex()[..16], "0198770e787524da");
    }

    #[test]
    fn rows_of_names_and_users_without_actions_do_not_count() {
        let expected = digest(&one_action());
        let mut other = one_action();
        other.surfaces = vec!["search".into(), "home".into()];
        other.actions.surface = vec![2];
        other.users = ["a", "u"].into_iter().collect();
        other.offsets = vec![0, 0, 1];
        assert_eq!(digest(&other), expected);
    }
}
