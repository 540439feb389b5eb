//! SQS speaks two protocols: JSON, which its model tells, and the older query protocol, which the model does not tell any more.
//!
//! Old clients and other people's tools speak the latter (SQS API Reference, "Making Query API requests"). Its names follow from
//! those of the members by a few rules, which are written here; its codes of errors are told by clients of JSON, too, in a header.

use crate::data::{Location, Member, Protocol, ServiceData, Shape};

/// Names of the elements of lists in forms and in XML; those of lists of structures are called as the structures.
const ELEMENTS: [(&str, &str); 9] = [
    ("AttributeNameList", "AttributeName"),
    ("MessageAttributeNameList", "MessageAttributeName"),
    ("MessageSystemAttributeList", "MessageSystemAttributeName"),
    ("AWSAccountIdList", "AWSAccountId"),
    ("ActionNameList", "ActionName"),
    ("TagKeyList", "TagKey"),
    ("QueueUrlList", "QueueUrl"),
    ("StringList", "StringListValue"),
    ("BinaryList", "BinaryListValue"),
];

/// Names of the entries of maps, of their keys and of their values.
const ENTRIES: [(&str, &str, &str, &str); 5] = [
    ("QueueAttributeMap", "Attribute", "Name", "Value"),
    ("MessageSystemAttributeMap", "Attribute", "Name", "Value"),
    ("MessageBodyAttributeMap", "MessageAttribute", "Name", "Value"),
    ("MessageBodySystemAttributeMap", "MessageSystemAttribute", "Name", "Value"),
    ("TagMap", "Tag", "Key", "Value"),
];

/// Codes and statuses of errors in the query protocol, where the code is not the error's name.
const CODES: [(&str, &str, u16); 19] = [
    ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400),
    ("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", 400),
    ("QueueNameExists", "QueueAlreadyExists", 400),
    ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400),
    ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400),
    ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400),
    ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400),
    ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", 400),
    ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400),
    ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", 400),
    ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", 403),
    ("OverLimit", "OverLimit", 403),
    ("RequestThrottled", "RequestThrottled", 403),
    ("InvalidSecurity", "InvalidSecurity", 403),
    ("InvalidAddress", "InvalidAddress", 404),
    ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404),
    ("ResourceNotFoundException", "ResourceNotFoundException", 404),
    ("InvalidParameterValueException", "InvalidParameterValue", 400),
    ("MissingRequiredParameterException", "MissingParameter", 400),
];

/// The data of the JSON protocol. What a member must be is said by the service, which has codes of its own for it.
pub(crate) fn json(mut data: ServiceData) -> ServiceData {
    data.is_json_1_0 = true;
    data.is_query_compatible = true;
    for shape in data.shapes.values_mut() {
        shape.required.clear();
        shape.values = None;
    }
    for (name, code, _) in CODES {
        let shape = data.shapes.entry(name.to_owned()).or_insert_with(error);
        shape.code = Some(code.to_owned());
    }
    data
}

/// The data of the query protocol.
pub(crate) fn query(data: ServiceData) -> ServiceData {
    let mut data = json(data);
    data.protocol = Protocol::Query;
    data.xml_namespace = Some("http://queue.amazonaws.com/doc/2012-11-05/".to_owned());
    data.path_member = Some("QueueUrl".to_owned());
    for operation in data.operations.iter_mut().filter(|operation| operation.output.is_some()) {
        operation.result_wrapper = Some(format!("{}Result", operation.name));
    }
    let structures: Vec<String> =
        data.shapes.iter().filter(|(_, shape)| shape.kind == "structure").map(|(name, _)| name.clone()).collect();
    for (name, shape) in &mut data.shapes {
        name_parts(name, shape, &structures);
        for member in &mut shape.members {
            let entry = ENTRIES.iter().find(|(map, ..)| *map == member.shape);
            member.wire_name = entry.map(|(_, entry, ..)| (*entry).to_owned());
        }
    }
    for (name, _, status) in CODES {
        if let Some(shape) = data.shapes.get_mut(name) {
            shape.status = Some(status);
        }
    }
    data
}

fn name_parts(name: &str, shape: &mut Shape, structures: &[String]) {
    if shape.kind == "list" {
        let element = ELEMENTS.iter().find(|(list, _)| *list == name).map(|(_, element)| (*element).to_owned());
        shape.member_name = element.or_else(|| shape.member.clone().filter(|element| structures.contains(element)));
        shape.flattened = true;
    }
    if let Some((_, _, key, value)) = ENTRIES.iter().find(|(map, ..)| *map == name) {
        shape.key_name = Some((*key).to_owned());
        shape.value_name = Some((*value).to_owned());
    }
}

/// An error that the model does not list.
fn error() -> Shape {
    let message = Member {
        name: "message".to_owned(),
        shape: "ExceptionMessage".to_owned(),
        location: Location::Body,
        wire_name: None,
    };
    Shape { kind: "structure".to_owned(), exception: true, members: vec![message], ..Shape::default() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};
    use serde_json::json;

    use crate::{ApiError, Reply, WireRequest, sqs, sqs_query};

    fn input(path: &str, body: &str) -> serde_json::Value {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let request = WireRequest { method: &Method::POST, path, query: "", headers: &HeaderMap::new(), body };
        sqs_query().decode(&request).unwrap().input
    }

    #[test]
    fn forms_are_read_by_the_names_of_the_query_protocol() {
        let created = "Action=CreateQueue&Version=2012-11-05&QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=5&Tag.1.Key=a&Tag.1.Value=b";
        assert_eq!(
            input("/", created),
            json!({"QueueName": "q", "Attributes": {"DelaySeconds": "5"}, "tags": {"a": "b"}})
        );
        let sent = "Action=SendMessageBatch&SendMessageBatchRequestEntry.1.Id=one&SendMessageBatchRequestEntry.1.MessageBody=x\
            &SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String\
            &SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=v";
        let entry = json!({"Id": "one", "MessageBody": "x", "MessageAttributes": {"n": {"StringValue": "v", "DataType": "String"}}});
        assert_eq!(input("/000000000000/q", sent), json!({"QueueUrl": "/000000000000/q", "Entries": [entry]}));
        let received =
            "Action=ReceiveMessage&QueueUrl=u&AttributeName.1=All&MessageAttributeName.1=n&MaxNumberOfMessages=2";
        assert_eq!(
            input("/", received),
            json!({"QueueUrl": "u", "AttributeNames": ["All"], "MessageAttributeNames": ["n"], "MaxNumberOfMessages": 2})
        );
    }

    #[test]
    fn answers_are_flat() {
        let operation = |name| sqs_query().operations().find(|operation| operation.name() == name).unwrap();
        let attribute = json!({"n": {"StringValue": "v", "DataType": "String"}});
        let message = json!({"MessageId": "m", "Attributes": {"SenderId": "s"}, "MessageAttributes": attribute});
        let reply = Reply::new(json!({"Messages": [message]}));
        let xml = sqs_query().encode(operation("ReceiveMessage"), reply, "id").into_body();
        let text = std::str::from_utf8(&xml).unwrap();
        let expected = "<ReceiveMessageResult><Message><MessageId>m</MessageId>\
            <Attribute><Name>SenderId</Name><Value>s</Value></Attribute>\
            <MessageAttribute><Name>n</Name><Value><StringValue>v</StringValue><DataType>String</DataType></Value></MessageAttribute>\
            </Message></ReceiveMessageResult>";
        assert!(text.contains(expected), "{text}");
        let reply = Reply::new(json!({"QueueUrls": ["a", "b"]}));
        let xml = sqs_query().encode(operation("ListQueues"), reply, "id").into_body();
        let text = std::str::from_utf8(&xml).unwrap();
        assert!(
            text.contains("<ListQueuesResult><QueueUrl>a</QueueUrl><QueueUrl>b</QueueUrl></ListQueuesResult>"),
            "{text}"
        );
    }

    #[test]
    fn errors_have_a_code_for_each_protocol() {
        let error = ApiError::new("QueueDoesNotExist", "no");
        let old = sqs_query().encode_error(&error, "id");
        assert!(String::from_utf8_lossy(old.body()).contains("<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"));
        let new = sqs().encode_error(&error, "id");
        assert_eq!(new.headers()["x-amzn-query-error"], "AWS.SimpleQueueService.NonExistentQueue;Sender");
        assert_eq!(new.headers()["content-type"], "application/x-amz-json-1.0");
        let body: serde_json::Value = serde_json::from_slice(new.body()).unwrap();
        assert_eq!(body, json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"}));
        let unmodelled = sqs().encode_error(&ApiError::new("InvalidParameterValueException", "no"), "id");
        assert_eq!(
            (unmodelled.status().as_u16(), &unmodelled.headers()["x-amzn-query-error"]),
            (400, &"InvalidParameterValue;Sender".parse().unwrap())
        );
    }
}
