from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0002_oecd'),
    ]

    operations = [
        migrations.AddField(
            model_name='classification',
            name='reasons_by',
            field=models.JSONField(default=dict),
        ),
    ]
