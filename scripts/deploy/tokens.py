"""Checks of who may call: that whoever asks for a token has its file, and that only the program reads it."""

from rendering import made_by_hand, program

UID = 10001
# Variable → key of the Secret <program>-<key>.
TOKENS = {
    "lookup": {"DAYVEC__TOKENS_FILE": "tokens"},
    "trainer": {"DAYVEC__SERVICE__TOKENS_FILE": "tokens"},
    "console": {"DAYVEC__TOKENS_FILE": "tokens", "DAYVEC__TOKEN_FILE": "token"},
}


def tokens(rendering):
    """All who answer ask for tokens, or none does; each has its own, and the console one to call the others with."""
    answering = [
        (f"{pod.name}, container {container['name']}", pod, container, TOKENS[program(container["image"])])
        for pod in rendering.pods
        for container in pod.containers
        if pod.stays_up and program(container["image"]) in TOKENS
    ]
    asked = any(variable in rendering.environment(container) for _, _, container, given in answering for variable in given)
    for name, pod, container, given in answering if asked else []:
        files = secret_files(pod, container)
        for variable, key in given.items():
            path, secret = rendering.environment(container).get(variable), f"{program(container['image'])}-{key}"
            if path is None:
                yield f"{name} has no {variable}, and others have"
            elif files.get(path) != (secret, key):
                yield f"{name}: {variable}={path} is not the key {key} of the Secret {secret}"


def secret_files(pod, container):
    """Path → (Secret, key) of every file that a Secret gives a container."""
    secrets = {volume["name"]: volume["secret"] for volume in pod.spec.get("volumes", []) if "secret" in volume}
    return {
        f"{mount['mountPath']}/{item['path']}": (secrets[mount["name"]]["secretName"], item["key"])
        for mount in container.get("volumeMounts", [])
        if mount["name"] in secrets
        for item in secrets[mount["name"]].get("items", [])
    }


def mounts(rendering):
    """A mounted Secret has keys that docs/deploy.md makes, is read by the program alone, and changes with the Secret."""
    by_hand = made_by_hand()
    for pod in rendering.pods:
        secrets = {volume["name"]: volume["secret"] for volume in pod.spec.get("volumes", []) if "secret" in volume}
        for name, secret in secrets.items():
            keys = {(secret["secretName"], item["key"]) for item in secret.get("items", [])}
            if not keys or not keys <= by_hand:
                yield f"{pod.name}: docs/deploy.md makes no Secret {secret['secretName']} with the keys of volume {name}"
            if secret.get("optional"):
                yield f"{pod.name} starts without the Secret {secret['secretName']}, and its file"
            # Kubernetes gives the files to root and to the pod's fsGroup; the program is not root.
            if secret.get("defaultMode") != 0o440 or pod.spec.get("securityContext", {}).get("fsGroup") != UID:
                yield f"{pod.name}: volume {name} is not read by group {UID} alone"
        for container in pod.containers:
            for mount in container.get("volumeMounts", []):
                if mount["name"] in secrets and ("subPath" in mount or not mount.get("readOnly")):
                    yield f"{pod.name}: {mount['mountPath']} may be written to, or stays as it was when the Secret changes"


CHECKS = [tokens, mounts]
