"""Reads a notification as a browser does that has nothing of Kairos in it: http_ece decrypts (RFC 8188, RFC 8291), PyJWT
checks who has signed (RFC 8292).

    web_push_client.py '{"key": "...", "auth": "...", "body": "...", "authorization": "vapid t=..., k=...", "audience": "..."}'

Keys and body are base64url. Prints {"content": ..., "claims": ..., "public_key": ...}.
"""

import base64
import json
import sys

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec


def octets(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


given = json.loads(sys.argv[1])
own = ec.derive_private_key(int.from_bytes(octets(given["key"]), "big"), ec.SECP256R1())
content = http_ece.decrypt(
    octets(given["body"]),
    private_key=own,
    auth_secret=octets(given["auth"]),
    version="aes128gcm",
)
token, key = given["authorization"].removeprefix("vapid t=").split(", k=")
signer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), octets(key))
claims = jwt.decode(token, signer, algorithms=["ES256"], audience=given["audience"])
print(json.dumps({"content": json.loads(content), "claims": claims, "public_key": key}))
