import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# What tokens of the version before may do, in the scopes of this one.
READS = ["runs:read", "batches:read", "agents:read", "credentials:read"]
SCOPES = {
    "read": READS,
    "run": ["runs:read", "runs:write", "batches:read", "batches:write"],
    "write": ["agents:read", "agents:write"],
    "admin": ["admin"],
}
OLD_SCOPES = {
    "runs:read": "read",
    "batches:read": "read",
    "agents:read": "read",
    "credentials:read": "read",
    "runs:write": "run",
    "batches:write": "run",
    "agents:write": "write",
    "credentials:write": "admin",
    "admin": "admin",
}


def rename_scopes(apps, schema_editor):
    for token in apps.get_model("credentials", "ApiToken").objects.all().iterator():
        wanted = {new for old in token.scopes for new in SCOPES.get(old, [old])}
        token.scopes = [scope for scope in OLD_SCOPES if scope in wanted]
        token.save(update_fields=["scopes"])


def restore_scopes(apps, schema_editor):
    for token in apps.get_model("credentials", "ApiToken").objects.all().iterator():
        wanted = {OLD_SCOPES[new] for new in token.scopes}
        token.scopes = [scope for scope in SCOPES if scope in wanted]
        token.save(update_fields=["scopes"])


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0002_cached_input_price"),
    ]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="requests_per_minute",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="How often it may call the API; empty: as often as the setting says.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1, "must be a whole number from 1 to 2147483647"),
                    django.core.validators.MaxValueValidator(2147483647, "must be a whole number from 1 to 2147483647"),
                ],
            ),
        ),
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=255)),
                ("target", models.TextField(help_text="Method and path.")),
                ("digest", models.CharField(help_text="SHA-256 of the body, in hex.", max_length=64)),
                ("claim", models.UUIDField()),
                ("claimed_at", models.DateTimeField()),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("headers", models.JSONField(default=dict)),
                ("body", models.BinaryField(null=True)),
                ("created_at", models.DateTimeField(db_index=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("user", "key"), name="idempotency_key")],
                "indexes": [models.Index(fields=["user", "digest"], name="idempotency_digest")],
            },
        ),
        migrations.RunPython(rename_scopes, restore_scopes),
    ]
