//! Which services and operations are derived. To serve one more operation, add its name to a group.

/// A service and what is taken from its model.
pub(super) struct Service {
    pub(super) name: &'static str,
    /// Folder of the model in botocore's data.
    pub(super) model: &'static str,
    /// Operations in the constraint data; all of them when empty.
    pub(super) kept: &'static [&'static str],
    /// Files of typed shapes with their operations. A shape that several need is in the first of them.
    pub(super) groups: &'static [Group],
}

/// One file of typed shapes.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) operations: &'static [&'static str],
}

pub(super) const SERVICES: [Service; 2] = [
    Service {
        name: "lambda",
        model: "lambda/2015-03-31",
        kept: &[],
        groups: &[
            Group {
                name: "functions",
                operations: &[
                    "CreateFunction",
                    "GetFunction",
                    "GetFunctionConfiguration",
                    "ListFunctions",
                    "UpdateFunctionConfiguration",
                    "DeleteFunction",
                ],
            },
            Group { name: "code", operations: &["UpdateFunctionCode"] },
            Group { name: "account", operations: &["GetAccountSettings"] },
            Group { name: "invoke", operations: &["Invoke"] },
        ],
    },
    Service {
        name: "logs",
        model: "logs/2014-03-28",
        kept: &[
            "CreateLogGroup",
            "CreateLogStream",
            "DeleteLogGroup",
            "DeleteLogStream",
            "DeleteRetentionPolicy",
            "DescribeLogGroups",
            "DescribeLogStreams",
            "FilterLogEvents",
            "GetLogEvents",
            "ListTagsForResource",
            "PutLogEvents",
            "PutRetentionPolicy",
            "TagResource",
            "UntagResource",
        ],
        groups: &[],
    },
];
