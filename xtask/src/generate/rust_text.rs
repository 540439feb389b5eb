//! Rust names out of the model's names.

/// `KMSKeyArn` is `kms_key_arn`, `S3Bucket` is `s3_bucket`, `CodeSha256` is `code_sha256`.
pub(super) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut text = String::new();
    for (index, &letter) in letters.iter().enumerate() {
        let after = index.checked_sub(1).and_then(|before| letters.get(before));
        let ends_capitals =
            after.is_some_and(char::is_ascii_uppercase) && letters.get(index + 1).is_some_and(char::is_ascii_lowercase);
        let starts_word = after.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit());
        if letter.is_ascii_uppercase() && (starts_word || ends_capitals) {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// A field's name; what is a keyword gets the raw form.
pub(super) fn field(name: &str) -> String {
    match snake(name).as_str() {
        keyword @ ("type" | "match" | "ref" | "move" | "use" | "where" | "async") => format!("r#{keyword}"),
        plain => plain.to_owned(),
    }
}

/// What serde makes of a field's name by itself, in `PascalCase` or in `camelCase`.
pub(super) fn renamed(field: &str, is_camel_case: bool) -> String {
    let mut text = String::new();
    let mut starts_word = !is_camel_case;
    for letter in field.trim_start_matches("r#").chars() {
        match letter {
            '_' => starts_word = true,
            letter if starts_word => {
                text.push(letter.to_ascii_uppercase());
                starts_word = false;
            }
            letter => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        for (name, words) in [
            ("KMSKeyArn", "kms_key_arn"),
            ("SourceKMSKeyArn", "source_kms_key_arn"),
            ("S3ObjectVersion", "s3_object_version"),
            ("CodeSha256", "code_sha256"),
            ("logGroupName", "log_group_name"),
            ("LogicalTableId", "logical_table_id"),
            ("URIs", "ur_is"),
        ] {
            assert_eq!(snake(name), words);
        }
        assert_eq!(field("Type"), "r#type");
    }

    #[test]
    fn serde_gets_back_what_it_can() {
        assert_eq!(renamed("code_sha256", false), "CodeSha256");
        assert_eq!(renamed("log_group_name", true), "logGroupName");
        assert_eq!(renamed("r#type", false), "Type");
    }
}
