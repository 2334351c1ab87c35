"""Call the lookup through server reflection alone: reflection.py ADDRESS USER_ID prints what was answered as JSON."""

import json
import struct
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "dayvec.lookup.v1.EmbeddingLookup"

address, user_id = sys.argv[1:]
channel = grpc.insecure_channel(address)
database = ProtoReflectionDescriptorDatabase(channel)
service = DescriptorPool(database).FindServiceByName(SERVICE)


def call(name, **fields):
    method = service.FindMethodByName(name)
    request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    stub = channel.unary_unary(
        f"/{SERVICE}/{name}",
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )
    return stub(request(**fields), timeout=30)


reply = call("GetUserEmbedding", user_id=user_id)
answer = MessageToDict(reply, preserving_proto_field_name=True)
batch = MessageToDict(call("BatchGetUserEmbeddings", user_ids=[user_id, "unknown"]))
try:
    call("GetUserEmbedding", user_id="")
    error = None
except grpc.RpcError as refused:
    error = f"{refused.code().name} {refused.details()}"
data = reply.user.embedding.data
print(
    json.dumps(
        {
            "services": list(database.get_services()),
            "status": answer["user"]["status"],
            "computed_at": answer["user"]["computed_at"],
            "snapshot_id": answer["snapshot"]["snapshot_id"],
            "embedding": struct.unpack(f"<{len(data) // 4}f", data),
            "batch": [user["status"] for user in batch["users"]],
            "error": error,
        }
    )
)
